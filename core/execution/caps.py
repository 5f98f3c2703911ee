"""Caps: the most that the runs of an API key or a schedule may take in a calendar month (UTC).

A run reserves its part when it is made, in that transaction and with the key's or the schedule's row locked: its quoted
maximum, or what is left. It cannot spend more than it reserved, and once it has ended it takes what it spent. So runs
that go on at the same time cannot pass the cap together.

What a capped key made spends within the key's cap, whatever becomes of it: the runs of its schedules count for the key
too. So it gains nothing by making many, nor by making one anew.
"""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.accounts.automation import check_not_paused, lock_key_cap
from core.credits.domain import Quote
from core.execution import errors
from core.execution.domain import Starter
from core.execution.models import RunRow, ScheduleRow
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden

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
    caps = _caps_of_key(session, owner_id, starter) if starter.kind == "api_key" else _caps(session, owner_id, starter)
    part: int | None = None
    for capped, cap, starters in caps:
        if cap is None:
            continue
        mine = (RunRow.started_by.in_(starters), RunRow.created_at >= month_of(now))
        taken = int(session.scalar(select(TAKEN).where(*mine)) or 0)
        left = max(cap - taken, 0)
        if quoted.max_micros and (left == 0 or left < first_step):
            raise errors.cap_reached(capped, cap, taken, first_step, next_month(now))
        part = min(quoted.max_micros if part is None else part, left)
    return part


def taken_this_month(runtime: Runtime, owner_id: str) -> dict[str, int]:
    """What the runs of each key and schedule of a person took this month, spent or reserved, in micro-credits."""
    mine = (RunRow.owner_id == owner_id, RunRow.created_at >= month_of(runtime.clock.now()))
    by_starter = select(RunRow.started_by, TAKEN).where(*mine, RunRow.started_by.is_not(None))
    made = select(ScheduleRow.id, ScheduleRow.key_id).where(
        ScheduleRow.owner_id == owner_id, ScheduleRow.key_id.is_not(None)
    )
    with runtime.database.read() as session:
        found = session.execute(by_starter.group_by(RunRow.started_by)).tuples().all()
        schedules = session.execute(made).tuples().all()
    taken = {str(starter): int(micros) for starter, micros in found}
    for schedule_id, key_id in schedules:
        if schedule_id in taken:
            taken[str(key_id)] = taken.get(str(key_id), 0) + taken[schedule_id]
    return taken


def month_of(now: datetime) -> datetime:
    """The first moment of a month (UTC)."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(now: datetime) -> datetime:
    """The first moment of the month after (UTC)."""
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return month_of(now).replace(year=year, month=month)


def lock_caller_cap(session: Session, owner_id: str, key_id: str | None) -> int | None:
    """The cap of the key that asks, its row locked; None for a person, and for a key without a cap."""
    return None if key_id is None else lock_key_cap(session, owner_id, key_id)


def check_within(row: ScheduleRow, cap: int | None) -> None:
    """Raises Forbidden KEY_CAP for a schedule that may spend more than the key with this cap that would change it."""
    if cap is not None and (row.max_micros_per_month is None or row.max_micros_per_month > cap):
        raise errors.beyond_key_cap(cap, "the schedule may spend more than that")


def set_cap(row: ScheduleRow, wanted: int | None, key_id: str | None, key_cap: int | None) -> None:
    """Cap a schedule for who asks. Raises Forbidden KEY_CAP above the cap of a key."""
    if key_cap is not None and (wanted is None or wanted > key_cap):
        raise errors.beyond_key_cap(key_cap, "a schedule of its making not more")
    row.max_micros_per_month = wanted
    row.key_id = key_id if key_cap is not None else None


def hand_over(session: Session, row: ScheduleRow, now: datetime) -> None:
    """Before a schedule is deleted: what it took this month stays with the key that made it."""
    if row.key_id is not None:
        mine = (RunRow.started_by == row.id, RunRow.created_at >= month_of(now))
        session.execute(update(RunRow).where(*mine).values(started_by=row.key_id))


_Cap = tuple[Starter, int | None, list[str]]
"""Whose cap, the cap, and whose runs count for it."""


def _caps(session: Session, owner_id: str, starter: Starter) -> list[_Cap]:
    """The caps that hold for a schedule: its own, and that of the key that made it while there is this key."""
    row = session.scalar(select(ScheduleRow).where(ScheduleRow.id == starter.id).with_for_update())
    if row is None:
        raise errors.schedule_not_found()
    own: list[_Cap] = [(starter, row.max_micros_per_month, [row.id])]
    if row.key_id is None:
        return own
    try:
        return own + _caps_of_key(session, owner_id, Starter("api_key", row.key_id))
    except Forbidden:  # the key is gone
        return own


def _caps_of_key(session: Session, owner_id: str, starter: Starter) -> list[_Cap]:
    cap = lock_key_cap(session, owner_id, starter.id)
    if cap is None:
        return []
    made = select(ScheduleRow.id).where(ScheduleRow.owner_id == owner_id, ScheduleRow.key_id == starter.id)
    return [(starter, cap, [starter.id, *session.scalars(made)])]
