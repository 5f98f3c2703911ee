"""Fetching a copy: by its owner alone, who entered the password just now, decrypted on the way out, once.

The first time that all of it went out uses it up. What broke off on the way did not: it may be fetched again, or from
where it ended, until it was whole once or its seven days are over.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.sessions import check_confirmed
from core.platform.files.sealing import read_sealed
from core.platform.runtime import Runtime
from core.privacy.export.models import DataExportRow
from core.privacy.export.storage import copies_of, sealed_under
from core.shared.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Fetch:
    """A copy on its way: `pieces` from byte `start` of `size`. When they are all taken, the copy is used up."""

    name: str
    size: int
    start: int
    pieces: Iterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CopyView:
    """A copy, for pages: how large it is, until when it may be fetched, when it was."""

    request_id: str
    size: int
    expires_at: datetime
    fetched_at: datetime | None


def find_copy(runtime: Runtime, account_id: str, request_id: str) -> CopyView | None:
    """The copy that a request of this person's made; None before it is made and once its time is over."""
    mine = (DataExportRow.request_id == request_id, DataExportRow.account_id == account_id)
    with runtime.database.read() as session:
        row = session.scalar(select(DataExportRow).where(*mine, DataExportRow.expires_at > runtime.clock.now()))
    return None if row is None else CopyView(row.request_id, row.size, row.expires_at, row.fetched_at)


def fetch_copy(runtime: Runtime, by: SessionView, request_id: str, *, start: int = 0) -> Fetch:
    """Begin to fetch a copy, from its beginning or from where an earlier try ended.

    Raises NotFound, also for somebody else's, for one that was fetched and one that is over; Forbidden
    CONFIRM_PASSWORD; InvalidInput for a start beyond its end.
    """
    return _fetch(runtime, by.account.id, request_id, start, lambda: check_confirmed(runtime, by))


def fetch_for(runtime: Runtime, account_id: str, request_id: str) -> Fetch:
    """The same for somebody who was shown to be its owner otherwise. Raises NotFound."""
    return _fetch(runtime, account_id, request_id, 0, lambda: None)


def _fetch(runtime: Runtime, account_id: str, request_id: str, start: int, check: Callable[[], None]) -> Fetch:
    mine = (DataExportRow.request_id == request_id, DataExportRow.account_id == account_id)
    with runtime.database.read() as session:
        row = session.scalar(select(DataExportRow).where(*mine))
    if row is None:
        raise NotFound("COPY_NOT_FOUND", "There is no such copy. It is made once your request is carried out.")
    if row.fetched_at is not None:
        raise NotFound("COPY_FETCHED", "This copy was fetched already, and is deleted. Ask for a new one: it is free.")
    if row.expires_at <= runtime.clock.now():
        raise NotFound("COPY_OVER", "This copy was kept for seven days, and is deleted. Ask for a new one: it is free.")
    check()
    if not 0 <= start < row.size:
        raise InvalidInput("RANGE_BEYOND", f"The copy has {row.size:,} bytes.")
    try:
        sealed = copies_of(runtime, account_id).open(row.id)
    except FileNotFoundError:
        raise NotFound("COPY_FETCHED", "This copy is deleted. Ask for a new one: it is free.") from None
    pieces = read_sealed(runtime.vault, account_id, sealed_under(row.id), sealed)
    name = f"stepiq-data-{row.created_at:%Y-%m-%d}.zip"
    return Fetch(name, row.size, start, _until_whole(runtime, account_id, row.id, _from(pieces, start)))


def _from(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    for piece in pieces:
        if start < len(piece):
            yield piece[start:]
        start = max(0, start - len(piece))


def _until_whole(runtime: Runtime, account_id: str, export_id: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces; who asks for one more after the last has handed that on, so the copy is used up."""
    yield from pieces
    now = runtime.clock.now()
    unused = update(DataExportRow).where(DataExportRow.id == export_id, DataExportRow.fetched_at.is_(None))
    with runtime.database.write() as session:
        if session.scalar(unused.values(fetched_at=now).returning(DataExportRow.id)) is None:
            return
        record_act(runtime, session, "copy.fetched", actor_id=account_id, subject_id=account_id)
    copies_of(runtime, account_id).delete(export_id)
