"""Looks: how an admin may read a person's content. For a written reason, after their password, for half an hour.

The person is mailed the reason at once and reads in the app what was opened; the audit log has it all. Whoever reads
content for an admin asks `note_looked` first: without an open look of this admin at this person it refuses. Nothing can
be changed in a look, and secrets and keys are never shown.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.letters import tell
from core.accounts.look_models import LookedAtRow, LookRow
from core.accounts.models import AccountRow
from core.accounts.queries import account_view
from core.accounts.reasons import clean_reason
from core.accounts.roles import check_admin
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, Forbidden, NotFound

LOOK_LIFE = timedelta(minutes=30)
Thing = Literal["run", "pipeline", "list"]
"""What can be opened; a list is the names of all pipelines."""
MY_DATA = "/app/my-data"


@dataclass(frozen=True, slots=True)
class LookView:
    """A look. `opened`: how many things of each kind were opened in it."""

    id: str
    account_id: str
    reason: str = field(repr=False)
    opened_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    seen_at: datetime | None
    opened: dict[str, int]

    def is_open(self, now: datetime) -> bool:
        """Whether content may be read in it."""
        return self.ended_at is None and now < self.ends_at


def open_look(runtime: Runtime, by: SessionView, account_id: str, reason: str) -> LookView:
    """Open a person's content to this admin; the person is mailed why. One that is open already goes on instead.

    Raises Forbidden NOT_ADMIN or CONFIRM_PASSWORD, InvalidInput, NotFound; Conflict for one's own account, and for who
    is leaving or had the use of their data restricted.
    """
    check_admin(runtime, by, confirmed=True)
    said = clean_reason(reason)
    if account_id == by.account.id:
        raise Conflict("OWN_ACCOUNT", "This is your own account: what is in it, you see in the app.")
    with runtime.database.write() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.id == account_id).with_for_update())
        _check_may_be_looked_at(row)
        assert row is not None
        now = runtime.clock.now()
        known = session.scalar(_open_looks(by.account.id, account_id, now))
        if known is not None:
            return _view(runtime, known, {})
        look_id = runtime.ids.new()
        look = LookRow(
            id=look_id, account_id=account_id, admin_id=by.account.id, opened_at=now, ends_at=now + LOOK_LIFE,
            reason=runtime.vault.seal_text(account_id, _place(look_id), said),
        )  # fmt: skip
        session.add(look)
        session.flush()
        values = {
            "until": f"{look.ends_at:%Y-%m-%d %H:%M} UTC",
            "reason": said,
            "privacy_url": runtime.settings.public_url + MY_DATA,
        }
        tell(runtime, session, account_view(runtime, row), "content_looked_at", values, cause=f"look:{look_id}")
        minutes = int(LOOK_LIFE.total_seconds() // 60)
        record_act(
            runtime, session, "content.look_opened",
            actor_id=by.account.id, subject_id=account_id, look=look_id, minutes=minutes,
        )  # fmt: skip
        return _view(runtime, look, {})


def end_look(runtime: Runtime, by: SessionView, account_id: str) -> None:
    """Close a person's content again before its time. Nothing happens where no look of this admin is open."""
    check_admin(runtime, by)
    with runtime.database.write() as session:
        look = session.scalar(_open_looks(by.account.id, account_id, runtime.clock.now()).with_for_update())
        if look is None:
            return
        look.ended_at = runtime.clock.now()
        record_act(
            runtime, session, "content.look_ended", actor_id=by.account.id, subject_id=account_id, look=look.id
        )  # fmt: skip


def current_look(runtime: Runtime, by: SessionView, account_id: str) -> LookView | None:
    """This admin's open look at a person; None without one."""
    if not by.account.is_admin:
        return None
    with runtime.database.read() as session:
        look = session.scalar(_open_looks(by.account.id, account_id, runtime.clock.now()))
        return None if look is None else _view(runtime, look, _opened(session, look.id))


def check_look(runtime: Runtime, by: SessionView, account_id: str) -> None:
    """Raises Forbidden NOT_ADMIN, and LOOK_NEEDED without an open look of this admin at this person."""
    check_admin(runtime, by)
    with runtime.database.read() as session:
        _needed(session, by.account.id, account_id, runtime.clock.now())


def note_looked(runtime: Runtime, by: SessionView, account_id: str, kind: Thing, thing_id: str) -> None:
    """Before a thing of a person's is shown to an admin: that it may be, and, the first time in a look, that it was.

    Raises as `check_look` does.
    """
    check_admin(runtime, by)
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    with runtime.database.read() as session:
        look_id = _needed(session, by.account.id, account_id, runtime.clock.now())
        if session.get(LookedAtRow, (look_id, kind, thing_id)) is not None:
            return
    with runtime.database.write() as session:
        look_id = _needed(session, by.account.id, account_id, runtime.clock.now())
        thing = insert(LookedAtRow).values(look_id=look_id, kind=kind, thing_id=thing_id, at=runtime.clock.now())
        if session.scalar(thing.on_conflict_do_nothing().returning(LookedAtRow.look_id)) is not None:
            record_act(
                runtime, session, "content.looked_at",
                actor_id=by.account.id, subject_id=account_id, look=look_id, kind=kind, thing=thing_id,
            )  # fmt: skip


def looks_at(runtime: Runtime, account_id: str, limit: int = 20) -> tuple[LookView, ...]:
    """What was looked at of a person, newest first: for that person."""
    mine = select(LookRow).where(LookRow.account_id == account_id)
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(LookRow.opened_at.desc()).limit(limit)).all()
        return tuple(_view(runtime, row, _opened(session, row.id)) for row in rows)


def unread_look(runtime: Runtime, account_id: str) -> datetime | None:
    """When somebody last looked without the person having read it; None where they read of every look."""
    mine = (LookRow.account_id == account_id, LookRow.seen_at.is_(None))
    with runtime.database.read() as session:
        return session.scalar(select(func.max(LookRow.opened_at)).where(*mine))


def note_looks_read(runtime: Runtime, account_id: str) -> None:
    """The person read which looks there were."""
    mine = (LookRow.account_id == account_id, LookRow.seen_at.is_(None))
    with runtime.database.write() as session:
        session.execute(update(LookRow).where(*mine).values(seen_at=runtime.clock.now()))


def _check_may_be_looked_at(row: AccountRow | None) -> None:
    if row is None or row.is_operator:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
    if row.closing_at is not None:
        raise Conflict("ACCOUNT_CLOSING", "This account is being deleted. Its content is opened to nobody.")
    if row.restricted_at is not None:
        raise Conflict(
            "ACCOUNT_RESTRICTED",
            "The use of this person's data is restricted (GDPR Art. 18): until that ends it is only kept, and opened "
            "to nobody. Nothing was opened.",
        )


def _open_looks(admin_id: str, account_id: str, now: datetime) -> Select[LookRow]:
    mine = (LookRow.admin_id == admin_id, LookRow.account_id == account_id)
    return select(LookRow).where(*mine, LookRow.ended_at.is_(None), LookRow.ends_at > now).limit(1)


def _needed(session: Session, admin_id: str, account_id: str, now: datetime) -> str:
    """The id of the open look. Raises Forbidden LOOK_NEEDED; also once the data of who is looked at is restricted."""
    look = session.scalar(_open_looks(admin_id, account_id, now))
    row = session.get(AccountRow, account_id)
    if look is None or row is None or row.restricted_at is not None or row.closing_at is not None:
        raise Forbidden(
            "LOOK_NEEDED",
            "This person's content is closed. Write why you have to look; it stays open for 30 minutes and the person "
            "is told.",
        )
    return look.id


def _opened(session: Session, look_id: str) -> dict[str, int]:
    things = select(LookedAtRow.kind, func.count()).where(LookedAtRow.look_id == look_id)
    return dict(session.execute(things.group_by(LookedAtRow.kind)).tuples().all())


def _view(runtime: Runtime, row: LookRow, opened: dict[str, int]) -> LookView:
    try:
        reason = runtime.vault.open_text(row.account_id, _place(row.id), row.reason)
    except AppError as gone:
        if gone.code != "KEY_GONE":
            raise
        reason = ""
    return LookView(
        row.id, row.account_id, reason, row.opened_at, row.ends_at, row.ended_at, row.seen_at, opened
    )  # fmt: skip


def _place(look_id: str) -> str:
    return f"content_looks.reason:{look_id}"
