"""How old the oldest log of each plan is: what promise P14 (90 days on Free, a year on paid plans) is held against."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from core.accounts.plans import PLANS
from core.execution.run_retention import done_with
from core.platform.runtime import Runtime
from core.privacy.inventory import find_table
from core.privacy.retention.cutoffs import kept_since, lowered
from core.privacy.retention.holds import held_accounts

SLACK = timedelta(hours=36)
"""A sweep a night, and half a day in which it may be late."""


@dataclass(frozen=True, slots=True)
class OldestLog:
    """A plan's oldest run that has ended and is deleted by its age; None where there is none.

    `is_late`: it should be gone. `excepted`: people whose runs are kept for another reason: their own restriction, a
    legal hold, a plan lowered within the week.
    """

    plan: str
    oldest: datetime | None
    days: int
    is_late: bool
    excepted: int


def oldest_logs(runtime: Runtime) -> tuple[OldestLog, ...]:
    """One look a person at the beginning of their part of an index."""
    accounts, runs, now = find_table("accounts"), find_table("runs"), runtime.clock.now()
    first = select(runs.c.created_at).where(runs.c.owner_id == accounts.c.id, *done_with())
    first = first.order_by(runs.c.created_at).limit(1)
    at_rest = accounts.c.restricted_at.is_not(None) | accounts.c.closing_at.is_not(None)
    views = []
    with runtime.database.read() as session:
        recently = list(lowered(session, now))
        other = at_rest | accounts.c.id.in_(held_accounts(now)) | accounts.c.id.in_(recently)
        for plan in PLANS.values():
            mine = accounts.c.plan == plan.name
            people = select(first.scalar_subquery().label("first")).where(mine, ~other).subquery()
            oldest = session.scalar(select(func.min(people.c.first)))
            excepted = session.scalar(select(func.count()).select_from(accounts).where(mine, other)) or 0
            late = oldest is not None and oldest < kept_since(plan.name, now) - SLACK
            views.append(OldestLog(plan.name, oldest, plan.log_days, late, excepted))
    return tuple(views)
