"""Acts on files inside the caller's transaction."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.platform.files import errors
from core.platform.files.models import FileRow


def use_files(session: Session, owner_id: str, file_ids: Collection[str], *, now: datetime) -> None:
    """Note that a run uses files, so that they are kept as long as it. Raises NotFound when one is gone."""
    wanted = set(file_ids)
    if not wanted:
        return
    mine = update(FileRow).where(FileRow.owner_id == owner_id, FileRow.id.in_(wanted))
    used = session.scalars(mine.values(last_used_at=now).returning(FileRow.id)).all()
    if len(used) != len(wanted):
        raise errors.file_not_found()
