"""The months of a person's credits: granted once each, from the day of the month on which the account was made.

A month is granted by the plan the person has then, whatever that is paid by. Of months that passed without anybody
looking (the installation was down) only the one that goes on is granted: the others would have ended unused.
"""

from datetime import UTC, datetime

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.plans import GRANTED, PLANS
from core.accounts.queries import people_on
from core.credits import postings
from core.credits.domain import month_cause, month_number, month_start, prorated
from core.credits.models import CreditAccount
from core.platform.runtime import Runtime
from core.shared.money import MICROS


def begin_due_month(runtime: Runtime, session: Session, owner: Account) -> bool:
    """Grant the month that goes on, in the caller's transaction; False where it was, or where nothing is counted."""
    monthly, now = PLANS[owner.plan].monthly_credits, runtime.clock.now()
    if monthly is None:
        return False
    postings.lock_account(session, owner.id)
    if _ends_at(session, owner.id) > now:
        return False
    number = month_number(owner.created_at, now)
    cause, micros = month_cause(owner.id, owner.plan, number), monthly * MICROS
    if not postings.begin_month(runtime, session, owner.id, micros=micros, cause=cause):
        return False
    ends_at = month_start(owner.created_at, number + 1)
    _note(session, owner.id, month_ends_at=ends_at, month_plan=owner.plan, month_granted_micros=micros)
    return True


def top_up_month(runtime: Runtime, session: Session, owner: Account, plan: str, *, cause: str) -> int:
    """Add what a better plan gives for the rest of the month that goes on; answers how many micro-credits.

    What counts is the best plan that the month was granted for: who goes down and up again is given nothing twice.
    """
    monthly, now = PLANS[plan].monthly_credits, runtime.clock.now()
    month = session.execute(
        select(CreditAccount.month_ends_at, CreditAccount.month_plan, CreditAccount.month_granted_micros).where(
            CreditAccount.owner_id == owner.id
        )
    ).one()
    if monthly is None or month.month_plan is None or month.month_ends_at <= now:
        return 0
    more = monthly - (PLANS[month.month_plan].monthly_credits or 0)
    start = month_start(owner.created_at, month_number(owner.created_at, now))
    micros = prorated(more * MICROS, start, month.month_ends_at, now)
    if micros <= 0 or not postings.raise_month(runtime, session, owner.id, micros=micros, cause=cause):
        return 0
    _note(session, owner.id, month_plan=plan, month_granted_micros=month.month_granted_micros + micros)
    return micros


def due_months(now: datetime) -> Select[str]:
    """The ids of the people whose month is still to be granted."""
    people = people_on(GRANTED).subquery()
    late = or_(CreditAccount.month_ends_at.is_(None), CreditAccount.month_ends_at <= now)
    joined = people.outerjoin(CreditAccount, CreditAccount.owner_id == people.c.id)
    return select(people.c.id).select_from(joined).where(late).order_by(people.c.id)


def _ends_at(session: Session, owner_id: str) -> datetime:
    found = session.scalar(select(CreditAccount.month_ends_at).where(CreditAccount.owner_id == owner_id))
    return found or datetime.min.replace(tzinfo=UTC)


def _note(session: Session, owner_id: str, **values: object) -> None:
    session.execute(update(CreditAccount).where(CreditAccount.owner_id == owner_id).values(values))
