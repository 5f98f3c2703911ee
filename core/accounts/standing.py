"""How a person stands to the use of their data: restricted (GDPR Art. 18), objecting (Art. 21), leaving (Art. 17).

The one place that asks. What processes a person's data for anything but keeping it asks here before it begins: runs,
schedules, jobs, calls to others, analytics, news. Storage, the person's own export, and requests of theirs go on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Table, bindparam, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.accounts.models import AccountRow
from core.platform.hot import HotStatement
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden

_COLUMNS = (AccountRow.restricted_at, AccountRow.objected_at, AccountRow.closing_at, AccountRow.suspended_at)
# Asked before every call of a model: see `core.platform.hot`.
_accounts = cast(Table, AccountRow.__table__)
_asked = select(_accounts.c.restricted_at, _accounts.c.closing_at).where(_accounts.c.id == bindparam("b_account"))
_LOOK = {True: HotStatement(_asked), False: HotStatement(_asked.with_for_update(read=True))}
"""By whether it is SQLite, where a write transaction has the whole database to itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when a person's data is restricted, they object to analytics and news, and their account is being closed;
    and since when an admin suspended it.

    Someone without an account stands like someone who left: nothing may be done with their data.
    """

    restricted_at: datetime | None = None
    objected_at: datetime | None = None
    closing_at: datetime | None = None
    suspended_at: datetime | None = None
    exists: bool = True

    @property
    def may_process(self) -> bool:
        """Whether runs, schedules, calls to others and deletion by age go on."""
        return self.exists and self.restricted_at is None and self.closing_at is None

    @property
    def may_start(self) -> bool:
        """Whether anything new begins: what an account began before it was suspended goes on to its end."""
        return self.may_process and self.suspended_at is None

    @property
    def may_analyse(self) -> bool:
        """Whether their use of the service may be counted, anonymously, and news be sent to them."""
        return self.may_process and self.objected_at is None


def standing_of(runtime: Runtime, account_id: str) -> Standing:
    """How a person stands now."""
    with runtime.database.read() as session:
        row = session.execute(select(*_COLUMNS).where(AccountRow.id == account_id)).one_or_none()
    return Standing(exists=False) if row is None else Standing(*row)


def check_may_process(session: Session, account_id: str) -> None:
    """In the transaction that begins to use a person's data: raises Forbidden ACCOUNT_RESTRICTED or ACCOUNT_CLOSING.

    The row stays locked against a change until that transaction ends: after a restriction nothing new is on its way.
    """
    connection = session.connection()
    look = _LOOK[connection.dialect.name == "sqlite"]
    found = look.run(connection, {"b_account": account_id}).fetchone()
    if found is None or found[1] is not None:
        raise Forbidden("ACCOUNT_CLOSING", "This account is being deleted. Nothing was started, and nothing will be.")
    if found[0] is not None:
        raise Forbidden(
            "ACCOUNT_RESTRICTED",
            "The use of this account's data is restricted, as its owner asked. Nothing was started and everything is "
            "kept. The owner can end the restriction under My data.",
        )


def check_may_start(session: Session, account_id: str) -> None:
    """The same where something new begins: raises Forbidden ACCOUNT_SUSPENDED as well, under the same lock."""
    check_may_process(session, account_id)
    if is_suspended(session, account_id):
        raise suspended()


def is_suspended(session: Session, account_id: str) -> bool:
    """Whether an account is suspended, in the caller's transaction."""
    return session.scalar(select(AccountRow.suspended_at).where(AccountRow.id == account_id)) is not None


def suspended() -> Forbidden:
    """What somebody is told whose account is suspended, once it is sure that they are who they say."""
    return Forbidden(
        "ACCOUNT_SUSPENDED",
        "This account is suspended. The reason was mailed to its address. Everything is kept, and what had begun goes "
        "on to its end; nothing new starts. To object, write to the address in the privacy policy. Your rights over "
        "your data can be used at /privacy/request.",
    )


def owner_processable(
    owner: ColumnElement[str] | InstrumentedAttribute[str], *, lock: bool = False
) -> ColumnElement[bool]:
    """The condition, on a table with an owner, for rows of people whose data may be processed.

    `lock`: in the statement that begins to use it, with the lock that `check_may_process` takes.
    """
    mine = select(AccountRow.id).where(AccountRow.id == owner, processable())
    return (mine.with_for_update(read=True) if lock else mine).exists()


def owner_may_start(owner: ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The condition, on a table with an owner, for rows of people for whom something new may begin."""
    awake = AccountRow.suspended_at.is_(None)
    return select(AccountRow.id).where(AccountRow.id == owner, processable(), awake).exists()


def analysable() -> ColumnElement[bool]:
    """The condition, on `accounts`, for people whose use may be counted (`Standing.may_analyse`)."""
    return processable() & AccountRow.objected_at.is_(None)


def processable() -> ColumnElement[bool]:
    """The condition, on `accounts`, for people whose data may be processed: for queries of jobs."""
    return AccountRow.restricted_at.is_(None) & AccountRow.closing_at.is_(None)
