"""What a person used, and what the next days will cost at this pace."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from core.accounts.automation import automation_paused_at
from core.accounts.domain import Account
from core.credits.spending import WINDOW_DAYS, Forecast, forecast
from core.credits.statements import find_stretch, first_spending, spent_in
from core.execution.domain import ACTIVE, FINAL, ScheduleView
from core.execution.models import DeletedUsageRow, RunRow, StepRunRow
from core.execution.schedules import list_schedules
from core.pipelines.cron import next_times
from core.platform.runtime import Runtime

LOOKED_AT = 10
"""Runs of a schedule that its cost is taken from."""
COUNTED = 1_000
"""Times of a schedule that are counted one by one; more are reckoned from how close these lie together."""


@dataclass(frozen=True, slots=True)
class RunUsage:
    """Runs since midnight UTC, and what every run cost, deleted ones too, in millionths of a US cent after markup."""

    runs_today: int
    cost_micro_cents: int


def run_usage(runtime: Runtime, owner_id: str) -> RunUsage:
    """Count a person's runs of today and sum their costs."""
    midnight = runtime.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    today = select(func.count()).where(RunRow.owner_id == owner_id, RunRow.created_at >= midnight)
    cost = select(func.sum(StepRunRow.cost_micro_cents)).where(StepRunRow.owner_id == owner_id)
    before = select(DeletedUsageRow.cost_micro_cents).where(DeletedUsageRow.owner_id == owner_id)
    with runtime.database.read() as session:
        spent = int(session.scalar(cost) or 0) + (session.scalar(before) or 0)
        return RunUsage(session.scalar(today) or 0, spent)


def runs_under_way(runtime: Runtime) -> dict[str, tuple[int, datetime | None]]:
    """Of everybody together: by each status of a run that is not over, how many there are and when the oldest was asked
    for."""
    counted = select(RunRow.status, func.count(), func.min(RunRow.created_at)).where(RunRow.status.in_(ACTIVE))
    with runtime.database.read() as session:
        rows = session.execute(counted.group_by(RunRow.status)).tuples().all()
    return dict.fromkeys(ACTIVE, (0, None)) | {status: (number, since) for status, number, since in rows}


def forecast_month(runtime: Runtime, owner: Account) -> Forecast:
    """What the next 30 days will cost: what runs by hand go on as they did, and schedules by the times to come."""
    now = runtime.clock.now()
    since = now - timedelta(days=WINDOW_DAYS)
    spent = sum(each.micros for each in spent_in(runtime, find_stretch(runtime, owner.id, since)))
    first_day = first_spending(runtime, owner.id)
    scheduled: list[tuple[int, int, int]] = []
    if automation_paused_at(runtime, owner.id) is None:
        scheduled = [
            _scheduled(runtime, schedule, since, now)
            for schedule in list_schedules(runtime, owner.id)
            if schedule.enabled and not schedule.pipeline_archived
        ]
    return forecast(spent, first_day, now.date(), scheduled)


def _scheduled(runtime: Runtime, schedule: ScheduleView, since: datetime, now: datetime) -> tuple[int, int, int]:
    """What a schedule spent since a moment, how often it runs in the next days, and what one run costs."""
    # Of an ended run this is what it spent, whatever it had reserved of a cap.
    ended = (RunRow.started_by == schedule.id, RunRow.status.in_(FINAL))
    before = select(func.coalesce(func.sum(RunRow.reserved_micros), 0)).where(*ended, RunRow.created_at >= since)
    newest = select(RunRow.reserved_micros).where(*ended).order_by(RunRow.created_at.desc()).limit(LOOKED_AT)
    with runtime.database.read() as session:
        spent = int(session.scalar(before) or 0)
        costs = [int(each or 0) for each in session.scalars(newest)]
    each = sum(costs) // len(costs) if costs else 0
    times = times_in(schedule.cron_expression, schedule.timezone, now, now + timedelta(days=WINDOW_DAYS))
    cap = schedule.max_micros_per_month
    if cap is not None and each:
        times = min(times, cap // each)
    return spent, times, each


def times_in(expression: str, timezone: str, after: datetime, until: datetime) -> int:
    """How many times a schedule is due in a time; beyond a thousand, reckoned from the first thousand."""
    times = next_times(expression, timezone, after, COUNTED)
    if times and len(times) == COUNTED and times[-1] < until:
        return int(COUNTED * ((until - after) / (times[-1] - after)))
    return sum(time <= until for time in times)
