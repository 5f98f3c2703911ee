"""What starts runs without a person: how many of those go on, stopping them, and schedules that a plan has no more."""

from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from core.accounts.plans import PLANS, UNAUTOMATED
from core.accounts.queries import account_of, people_on
from core.execution.commands import cancel_run
from core.execution.domain import ACTIVE
from core.execution.models import RunRow, ScheduleRow
from core.execution.schedules import schedule_name
from core.platform.mail.postings import enqueue_mail
from core.platform.runtime import Runtime

PLAN_LIMIT = "PLAN_LIMIT"


def count_automatic_runs(runtime: Runtime, owner_id: str) -> int:
    """How many runs that a person's keys and schedules started go on."""
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).where(*_under_way(owner_id))) or 0


def stop_automatic_runs(runtime: Runtime, owner_id: str) -> int:
    """Cancel them; returns how many. Calls in flight are cut, what was used is charged."""
    with runtime.database.read() as session:
        found = session.scalars(select(RunRow.id).where(*_under_way(owner_id))).all()
    for run_id in found:
        cancel_run(runtime, owner_id, run_id)
    return len(found)


def has_unplanned_schedules(runtime: Runtime, _now: datetime) -> bool:
    """Whether schedules are awake whose owner's plan has none any more."""
    with runtime.database.read() as session:
        return session.scalar(select(ScheduleRow.id).where(*_unplanned()).limit(1)) is not None


def pause_unplanned_schedules(runtime: Runtime) -> int:
    """Pause the schedules of people whose plan has none any more, and tell each of them once; returns how many."""
    with runtime.database.read() as session:
        owners = session.scalars(select(ScheduleRow.owner_id).where(*_unplanned()).distinct()).all()
    return sum(_pause_all(runtime, owner_id) for owner_id in owners)


def _pause_all(runtime: Runtime, owner_id: str) -> int:
    with runtime.database.write() as session:
        mine = select(ScheduleRow).where(ScheduleRow.owner_id == owner_id, *_unplanned()).order_by(ScheduleRow.id)
        rows = session.scalars(mine.with_for_update()).all()
        for row in rows:
            row.enabled, row.next_at, row.paused_code = False, None, PLAN_LIMIT
            row.updated_at = runtime.clock.now()
        owner = account_of(runtime, session, owner_id)
        if rows and owner.email:
            names = "\n".join(schedule_name(runtime, row) for row in rows)
            enqueue_mail(
                runtime, session, kind="schedules_paused", to=owner.email, account_id=owner_id, language=owner.language,
                cause=f"schedules_paused:{owner_id}:{runtime.ids.new()}",
                values={
                    "plan": PLANS[owner.plan].title,
                    "schedules": names,
                    "schedules_url": f"{runtime.settings.public_url}/app/schedules",
                },
            )  # fmt: skip
    return len(rows)


def _unplanned() -> tuple[ColumnElement[bool], ...]:
    return ScheduleRow.enabled.is_(True), ScheduleRow.owner_id.in_(people_on(UNAUTOMATED))


def _under_way(owner_id: str) -> tuple[ColumnElement[bool], ...]:
    return RunRow.owner_id == owner_id, RunRow.status.in_(ACTIVE), RunRow.started_by.is_not(None)
