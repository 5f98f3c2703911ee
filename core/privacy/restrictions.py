"""Restricting the use of a person's data (GDPR Art. 18): what begins and ends it, in the caller's transaction.

A person is restricted while one restriction of theirs has not ended: one that they asked for, and one that a contested
fact or an objection brings until it is decided, may go on side by side.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.accounts.postings import write_restriction
from core.accounts.standing import standing_of
from core.execution.draining import wake_runs
from core.platform.runtime import Runtime
from core.privacy.models import PrivacyRequestRow, RestrictionRow


def begin_restriction(runtime: Runtime, session: Session, row: PrivacyRequestRow) -> bool:
    """Restrict from now on, for a request; answers whether that is new."""
    if restriction_of(session, row.id) is not None:
        return False
    now = runtime.clock.now()
    made = RestrictionRow(id=runtime.ids.new(), request_id=row.id, account_id=row.account_id, began_at=now)
    session.add(made)
    session.flush()
    _bring_up_to_date(session, row.account_id)
    return True


def end_restriction(runtime: Runtime, session: Session, restriction: RestrictionRow) -> None:
    """End one. The person's data is used again once none goes on."""
    restriction.ended_at = runtime.clock.now()
    session.flush()
    _bring_up_to_date(session, restriction.account_id)


def go_on_with_runs(runtime: Runtime, account_id: str) -> None:
    """After the transaction that ended a restriction: take up the runs that it held up, where nothing else does."""
    if standing_of(runtime, account_id).may_process:
        wake_runs(runtime, account_id)


def restriction_of(session: Session, request_id: str) -> RestrictionRow | None:
    """The restriction that belongs to a request, ended or not."""
    mine = select(RestrictionRow).where(RestrictionRow.request_id == request_id)
    return session.scalar(mine.execution_options(populate_existing=True))


def going_on(session: Session, account_id: str) -> tuple[RestrictionRow, ...]:
    """A person's restrictions that have not ended, oldest first."""
    mine = (RestrictionRow.account_id == account_id, RestrictionRow.ended_at.is_(None))
    return tuple(session.scalars(select(RestrictionRow).where(*mine).order_by(RestrictionRow.began_at)))


def due_to_lift(session: Session, now: datetime) -> tuple[str, ...]:
    """The requests whose restriction has come to its announced end."""
    due = (RestrictionRow.ended_at.is_(None), RestrictionRow.lift_at <= now)
    return tuple(session.scalars(select(RestrictionRow.request_id).where(*due)))


def _bring_up_to_date(session: Session, account_id: str) -> None:
    mine = (RestrictionRow.account_id == account_id, RestrictionRow.ended_at.is_(None))
    write_restriction(session, account_id, session.scalar(select(func.min(RestrictionRow.began_at)).where(*mine)))
