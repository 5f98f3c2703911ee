"""How a person stands to the use of their data: restricted (GDPR Art. 18), objecting (Art. 21), leaving (Art. 17).

The one place that asks. What processes a person's data for anything but keeping it asks here before it begins: runs,
schedules, jobs, calls to others, analytics, news. Storage, the person's own export, and requests of theirs go on.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from core.accounts.models import AccountRow
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden

_COLUMNS = (AccountRow.restricted_at, AccountRow.objected_at, AccountRow.closing_at)


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when a person's data is restricted, they object to analytics and news, and their account is being closed.

    Someone without an account stands like someone who left: nothing may be done with their data.
    """

    restricted_at: datetime | None = None
    objected_at: datetime | None = None
    closing_at: datetime | None = None
    exists: bool = True

    @property
    def may_process(self) -> bool:
        """Whether runs, schedules, calls to others and deletion by age go on."""
        return self.exists and self.restricted_at is None and self.closing_at is None

    @property
    def may_analyse(self) -> bool:
        """Whether their use of the service may be counted, anonymously, and news be sent to them."""
        return self.may_process and self.objected_at is None


def standing_of(runtime: Runtime, account_id: str) -> Standing:
    """How a person stands now."""
    with runtime.database.read() as session:
        return _read(session, account_id, lock=False)


def check_may_process(session: Session, account_id: str) -> None:
    """In the transaction that begins to use a person's data: raises Forbidden ACCOUNT_RESTRICTED or ACCOUNT_CLOSING.

    The row stays locked against a change until that transaction ends: after a restriction nothing new is on its way.
    """
    found = _read(session, account_id, lock=True)
    if found.closing_at is not None or not found.exists:
        raise Forbidden("ACCOUNT_CLOSING", "This account is being deleted. Nothing was started, and nothing will be.")
    if found.restricted_at is not None:
        raise Forbidden(
            "ACCOUNT_RESTRICTED",
            "The use of this account's data is restricted, as its owner asked. Nothing was started and everything is "
            "kept. The owner can end the restriction under My data.",
        )


def processable() -> ColumnElement[bool]:
    """The condition, on `accounts`, for people whose data may be processed: for queries of jobs."""
    return AccountRow.restricted_at.is_(None) & AccountRow.closing_at.is_(None)


def _read(session: Session, account_id: str, *, lock: bool) -> Standing:
    mine = select(*_COLUMNS).where(AccountRow.id == account_id)
    row = session.execute(mine.with_for_update(read=True) if lock else mine).one_or_none()
    return Standing(exists=False) if row is None else Standing(*row)
