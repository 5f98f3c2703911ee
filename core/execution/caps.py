"""Caps: the most that the runs of an API key or a schedule may take in a calendar month (UTC).

A run reserves its part when it is made, in that transaction and with the key's or the schedule's row locked: its quoted
maximum, or what is left. It cannot spend more than it reserved, and once it has ended it takes what it spent. So runs
that go on at the same time cannot pass the cap together.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.accounts.automation import check_not_paused, lock_key_cap
from core.credits.domain import Quote
from core.execution import errors
from core.execution.domain import Starter
from core.execution.models import RunRow, ScheduleRow
from core.platform.runtime import Runtime

TAKEN = func.coalesce(func.sum(func.coalesce(RunRow.reserved_micros, RunRow.quote_max)), 0)
"""Of runs without a reserve (their starter had no cap then) that go on, the quote is what they may yet take."""


def reserve(
    session: Session, owner_id: str, starter: Starter, quoted: Quote, first_step: int, now: datetime
) -> int | None:
    """In the transaction that makes a run: what it may take of its starter's cap; None without a cap.

    `first_step` is what the first step may cost. Raises Conflict AUTOMATION_PAUSED, LimitExceeded CAP_REACHED, and what
    a starter that is gone deserves.
    """
    check_not_paused(session, owner_id)
    cap = lock_key_cap(session, owner_id, starter.id) if starter.kind == "api_key" else _lock_schedule(session, starter)
    if cap is None:
        return None
    taken = session.scalar(select(TAKEN).where(RunRow.started_by == starter.id, RunRow.created_at >= month_of(now)))
    left = max(cap - int(taken or 0), 0)
    if quoted.max_micros and (left == 0 or left < first_step):
        raise errors.cap_reached(starter, cap, int(taken or 0), first_step, next_month(now))
    return min(quoted.max_micros, left)


def taken_this_month(runtime: Runtime, owner_id: str) -> dict[str, int]:
    """What the runs of each key and schedule of a person took this month, spent or reserved, in micro-credits."""
    mine = (RunRow.owner_id == owner_id, RunRow.created_at >= month_of(runtime.clock.now()))
    by_starter = select(RunRow.started_by, TAKEN).where(*mine, RunRow.started_by.is_not(None))
    with runtime.database.read() as session:
        found = session.execute(by_starter.group_by(RunRow.started_by)).tuples().all()
    return {str(starter): int(taken) for starter, taken in found}


def month_of(now: datetime) -> datetime:
    """The first moment of a month (UTC)."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(now: datetime) -> datetime:
    """The first moment of the month after (UTC)."""
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return month_of(now).replace(year=year, month=month)


def _lock_schedule(session: Session, starter: Starter) -> int | None:
    row = session.scalar(select(ScheduleRow).where(ScheduleRow.id == starter.id).with_for_update())
    if row is None:
        raise errors.schedule_not_found()
    return row.max_micros_per_month
