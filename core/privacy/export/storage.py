"""Where copies lie: sealed with their owner's key, in a folder of that person's, for seven days at most."""

import shutil
from datetime import timedelta
from itertools import islice

from sqlalchemy import delete, or_, select

from core.platform.files.blobs import FolderBlobs
from core.platform.runtime import Runtime
from core.privacy.export.models import DataExportRow

LIFE = timedelta(days=7)
ABANDONED = timedelta(hours=1)
BATCH = 500


def copies_of(runtime: Runtime, account_id: str) -> FolderBlobs:
    """The folder of a person's copies."""
    return FolderBlobs(runtime.settings.exports / account_id)


def sealed_under(export_id: str) -> str:
    """What the associated data of a copy's chunks begins with."""
    return f"data_exports.file:{export_id}"


def delete_copies(runtime: Runtime, account_id: str) -> int:
    """Delete all copies of a person at once, unfinished ones too; returns how many rows."""
    with runtime.database.write() as session:
        gone = session.scalars(
            delete(DataExportRow).where(DataExportRow.account_id == account_id).returning(DataExportRow.id)
        ).all()
    shutil.rmtree(runtime.settings.exports / account_id, ignore_errors=True)
    return len(gone)


def delete_old_copies(runtime: Runtime) -> int:
    """Delete copies that are over seven days, fetched ones, and what a crash left half-made; returns how many files."""
    now, deleted = runtime.clock.now(), 0
    over = or_(DataExportRow.expires_at <= now, DataExportRow.fetched_at.is_not(None))
    with runtime.database.read() as session:
        found = session.execute(select(DataExportRow.id, DataExportRow.account_id).where(over)).tuples().all()
    for export_id, account_id in found:
        deleted += _remove(runtime, account_id, export_id)
    with runtime.database.write() as session:
        # A row that was fetched stays until its time is over: it says so to who asks again.
        session.execute(delete(DataExportRow).where(DataExportRow.expires_at <= now))
    return deleted + _delete_strays(runtime)


def _remove(runtime: Runtime, account_id: str, export_id: str) -> int:
    folder = copies_of(runtime, account_id)
    try:
        folder.open(export_id).close()
    except FileNotFoundError:
        return 0
    folder.delete(export_id)
    return 1


def _delete_strays(runtime: Runtime) -> int:
    """Files that no row names and that nobody has written to for an hour."""
    root, deleted = runtime.settings.exports, 0
    for home in sorted(root.iterdir()) if root.is_dir() else ():
        folder = FolderBlobs(home)
        old = (blob for blob in folder.list() if blob.modified_at < runtime.clock.now() - ABANDONED)
        while batch := list(islice(old, BATCH)):
            with runtime.database.read() as session:
                known = set(
                    session.scalars(select(DataExportRow.id).where(DataExportRow.id.in_([each.key for each in batch])))
                )
            for blob in batch:
                if blob.partial:
                    folder.discard_part(blob.key)
                elif blob.key not in known:
                    folder.delete(blob.key)
                else:
                    continue
                deleted += 1
    return deleted
