"""How old the oldest log of each plan is: what promise P14 (90 days on Free, a year on paid plans) is held against."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Select, func, select, union
from sqlalchemy.orm import Session

from core.accounts.plans import LOGS_GRACE, PLANS, Plan
from core.execution.run_retention import done_with
from core.platform.bounded import count_up_to
from core.platform.runtime import Runtime
from core.privacy.inventory import find_table
from core.privacy.retention.cutoffs import kept_since
from core.privacy.retention.holds import held_accounts
from core.privacy.retention.models import RetentionSweepRow

LOOKED_AT = 2_000
"""People that a page looks at one by one."""
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
    views = []
    with runtime.database.read() as session:
        excepted = _excepted(session, now)
        for plan in PLANS.values():
            mine = accounts.c.plan == plan.name
            people = (
                select(first.scalar_subquery().label("first"))
                .where(mine, accounts.c.id.not_in(_other_reasons(now)))
                .subquery()
            )
            oldest = session.scalar(select(func.min(people.c.first)))
            views.append(_view(plan, oldest, excepted.get(plan.name, 0), now))
    return tuple(views)


def oldest_known(runtime: Runtime) -> tuple[tuple[OldestLog, ...], datetime | None]:
    """The same without a look at everybody where there are many: as the last sweep left it, and when that was."""
    accounts, now = find_table("accounts"), runtime.clock.now()
    done = select(RetentionSweepRow).where(RetentionSweepRow.finished_at.is_not(None))
    with runtime.database.read() as session:
        if count_up_to(session, select(accounts.c.id), LOOKED_AT) > LOOKED_AT:
            last = session.scalar(done.order_by(RetentionSweepRow.started_at.desc()).limit(1))
            left: dict[str, str] = json.loads(last.oldest) if last is not None else {}
            excepted = _excepted(session, now)
            oldest = {plan: datetime.fromisoformat(at).astimezone(UTC) for plan, at in left.items()}
            views = (_view(plan, oldest.get(name), excepted.get(name, 0), now) for name, plan in PLANS.items())
            return tuple(views), last.finished_at if last is not None else None
    return oldest_logs(runtime), now


def _view(plan: Plan, oldest: datetime | None, excepted: int, now: datetime) -> OldestLog:
    late = oldest is not None and oldest < kept_since(plan.name, now) - SLACK
    return OldestLog(plan.name, oldest, plan.log_days, late, excepted)


def _excepted(session: Session, now: datetime) -> dict[str, int]:
    """How many people of each plan have their runs kept for another reason than it."""
    accounts = find_table("accounts")
    counted = select(accounts.c.plan, func.count()).where(accounts.c.id.in_(_other_reasons(now)))
    return dict(session.execute(counted.group_by(accounts.c.plan)).tuples().all())


def _other_reasons(now: datetime) -> Select[str]:
    """The ids of those whose runs are kept for another reason than their plan: each reason's few, by its index."""
    accounts, changes = find_table("accounts"), find_table("plan_changes")
    reasons = (
        select(accounts.c.id).where(accounts.c.restricted_at.is_not(None)),
        select(accounts.c.id).where(accounts.c.closing_at.is_not(None)),
        held_accounts(now),
        select(changes.c.owner_id).where(changes.c.created_at > now - LOGS_GRACE),
    )
    few = union(*reasons).subquery()
    return select(few.c[0])
