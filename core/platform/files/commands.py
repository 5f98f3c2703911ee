"""Storing and deleting files. A content is written before its row and removed after it, so that a crash
between the two leaves a blob without a row, never a row without its blob; `delete_orphans` removes those."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core.platform.files import errors
from core.platform.files.domain import FileView, Inspection, clean_name
from core.platform.files.inspection import inspect_apart
from core.platform.files.models import FileRow
from core.platform.files.queries import content_place, derived_place, file_view, get_file, stored_content
from core.platform.files.sealing import SealedWriter
from core.platform.idempotency import Once, answer_once
from core.platform.runtime import Runtime

ORPHAN_AGE = timedelta(hours=1)
BATCH = 100


class Upload:
    """A file on its way in: sealed as it arrives, judged when it is whole. Leaves nothing unless it is finished.

    `with Upload(runtime, owner_id) as upload: upload.write(...); view = upload.finish(name)`
    """

    def __init__(self, runtime: Runtime, owner_id: str) -> None:
        """Raises LimitExceeded FILE_SPACE_FULL."""
        self._runtime, self._owner = runtime, owner_id
        self._limit = runtime.settings.file_max_bytes
        with runtime.database.read() as session:
            _check_space(runtime, session, owner_id, 1)
        self._id = runtime.ids.new()
        self._size = 0
        self._digest = hashlib.sha256()
        self._writer: SealedWriter | None = SealedWriter(
            runtime.vault, owner_id, content_place(self._id), runtime.blobs.create(self._id)
        )

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises LimitExceeded FILE_TOO_LARGE (413)."""
        assert self._writer is not None
        self._size += len(data)
        if self._size > self._limit:
            raise errors.file_too_large(self._limit)
        self._digest.update(data)
        self._writer.write(data)

    def finish(self, name: str, declared: str = "", once: Once | None = None) -> FileView:
        """Judge the content and keep it. `declared`: the media type it was sent with.

        The same name and content sent `once` more answers the file that was stored; what `once` says was sent is not
        looked at. Raises InvalidInput for what is not accepted, LimitExceeded FILE_SPACE_FULL, Conflict.
        """
        assert self._writer is not None
        if not self._size:
            raise errors.empty_file()
        self._writer.commit()
        self._writer = None
        try:
            shown = clean_name(name)
            content = b"".join(stored_content(self._runtime, self._owner, self._id))
            found = inspect_apart(content, shown, declared)
            if found.derived is not None:
                self._keep_derived(found.derived)
            return self._insert(shown, found, once)
        except BaseException:
            _remove_blobs(self._runtime, self._id)
            raise

    def _keep_derived(self, derived: bytes) -> None:
        runtime, key = self._runtime, f"{self._id}.derived"
        writer = SealedWriter(runtime.vault, self._owner, derived_place(self._id), runtime.blobs.create(key))
        try:
            writer.write(derived)
            writer.commit()
        except BaseException:
            writer.discard()
            raise

    def _insert(self, name: str, found: Inspection, once: Once | None) -> FileView:
        runtime, owner, file_id, now = self._runtime, self._owner, self._id, self._runtime.clock.now()
        row = FileRow(
            id=file_id,
            owner_id=owner,
            kind=found.kind,
            media_type=found.media_type,
            size=self._size,
            name=runtime.vault.seal_text(owner, f"files.name:{file_id}", name),
            facts=runtime.vault.seal_json(owner, f"files.facts:{file_id}", dict(found.facts)),
            fingerprint=runtime.vault.keyed_hash(owner, "file-content")(self._digest.digest()),
            created_at=now,
            last_used_at=now,
        )
        if once is not None:
            once = replace(once, sent=self._digest.digest() + name.encode())
        with runtime.database.write() as session:
            answer_id = answer_once(runtime, session, owner, once, file_id)
            if answer_id == file_id:
                _check_space(runtime, session, owner, self._size)
                session.add(row)
        if answer_id == file_id:
            return file_view(runtime, row)
        _remove_blobs(runtime, file_id)
        return get_file(runtime, owner, answer_id)

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.discard()
            self._writer = None


def store_file(
    runtime: Runtime, owner_id: str, name: str, content: bytes | Iterable[bytes], declared: str = ""
) -> FileView:
    """Keep a file of a person, from bytes or from pieces of them. Raises what `Upload` raises."""
    with Upload(runtime, owner_id) as upload:
        for piece in (content,) if isinstance(content, bytes) else content:
            upload.write(piece)
        runtime.events.used("file.uploaded", owner_id)
        return upload.finish(name, declared)


def delete_file(runtime: Runtime, owner_id: str, file_id: str) -> None:
    """Delete a file at once. Raises NotFound, also for somebody else's."""
    if not _delete(runtime, owner_id, [file_id]):
        raise errors.file_not_found()


def delete_unused(
    runtime: Runtime,
    owner_id: str,
    *,
    before: datetime,
    guard: Callable[[Session], bool] = lambda _session: True,
    keep: Collection[str] = (),
) -> int:
    """Delete a person's files that no run has used since a moment, but `keep`; returns how many.

    `guard` is asked in each transaction that deletes whether it may.
    """
    deleted = 0
    old = [FileRow.owner_id == owner_id, FileRow.last_used_at < before]
    if keep:
        old.append(FileRow.id.not_in(list(keep)))
    while True:
        with runtime.database.read() as session:
            ids = list(session.scalars(select(FileRow.id).where(*old).limit(BATCH)))
        if not ids:
            return deleted
        gone = _delete(runtime, owner_id, ids, before=before, guard=guard)
        if gone is None:
            return deleted
        deleted += gone


def delete_orphans(runtime: Runtime) -> int:
    """Remove the blobs that a crash left: unfinished ones, and those without a row. Returns how many.

    Only those untouched for an hour, because an upload has its blob before its row.
    """
    removed = 0
    old = (blob for blob in runtime.blobs.list() if blob.modified_at < runtime.clock.now() - ORPHAN_AGE)
    while batch := list(islice(old, BATCH)):
        ids = {blob.key.removesuffix(".derived") for blob in batch}
        with runtime.database.read() as session:
            known = set(session.scalars(select(FileRow.id).where(FileRow.id.in_(ids))))
        for blob in batch:
            if blob.partial:
                runtime.blobs.discard_part(blob.key)
            elif blob.key.removesuffix(".derived") not in known:
                runtime.blobs.delete(blob.key)
            else:
                continue
            removed += 1
    return removed


def _delete(
    runtime: Runtime,
    owner_id: str,
    ids: list[str],
    *,
    before: datetime | None = None,
    guard: Callable[[Session], bool] | None = None,
) -> int | None:
    """How many were deleted; None where `guard` says that none may be."""
    mine = delete(FileRow).where(FileRow.owner_id == owner_id, FileRow.id.in_(ids))
    if before is not None:
        mine = mine.where(FileRow.last_used_at < before)  # a run may have used it since it was found
    with runtime.database.write() as session:
        if guard is not None and not guard(session):
            return None
        gone = list(session.scalars(mine.returning(FileRow.id)))
    for file_id in gone:
        _remove_blobs(runtime, file_id)
    return len(gone)


def _remove_blobs(runtime: Runtime, file_id: str) -> None:
    for key in (file_id, f"{file_id}.derived"):
        with suppress(OSError):  # what cannot be removed now has no row any more, and is an orphan
            runtime.blobs.delete(key)


def _check_space(runtime: Runtime, session: Session, owner_id: str, more: int) -> None:
    used = session.scalar(select(func.sum(FileRow.size)).where(FileRow.owner_id == owner_id)) or 0
    if used + more > runtime.settings.files_max_bytes:
        raise errors.no_space_left(runtime.settings.files_max_bytes)
