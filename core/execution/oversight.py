"""The runs of everybody, as operators see them: what the machine knows, under opaque ids, and never what is in them.

A page costs a bounded walk along one index however many runs there are: it looks through some thousands of the newest,
and where few of these are wanted it says how far it came, so that the next page goes on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.plans import PLANS
from core.accounts.roles import check_admin
from core.accounts.standing import owner_processable
from core.execution.domain import ACTIVE, ADVANCING, FINAL, milliseconds
from core.execution.draining import cancel_all_runs
from core.execution.models import RunRow, StepRunRow
from core.execution.queries import WITHOUT_CONTENT
from core.execution.stuck import Progress, Why, why_stuck
from core.platform.bounded import count_up_to
from core.platform.runtime import Runtime

STATUSES = (*ACTIVE, *FINAL)
TRIGGERS = ("manual", "api", "cron", "webhook", "retry")
LOOKED_THROUGH = 5_000
"""Runs a page looks through at most."""
MOST_STUCK = 500


class StepSums(NamedTuple):
    """What the steps of a run come to: attempts, micro-credits, and the models as `provider/model`."""

    number: int
    micros: int
    models: frozenset[str]


NO_STEPS = StepSums(0, 0, frozenset())


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run without its content: no name of a pipeline or step, no input, no output, no text of an error."""

    id: str
    owner_id: str
    status: str
    trigger_type: str
    plan: str
    funding_mode: str
    created_at: datetime
    started_at: datetime | None
    duration_ms: int | None
    steps: int
    models: tuple[str, ...]
    """Each as `provider/model`."""
    credit_micros: int
    error_code: str | None
    stuck: Why | None


@dataclass(frozen=True, slots=True)
class RunFactsPage:
    """Some runs, newest first. `seen_back_to`: when the oldest was asked for that was looked at, shown or not."""

    items: tuple[RunFacts, ...]
    next_cursor: str | None
    looked_through: int
    seen_back_to: datetime | None


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Runs of a person: under way now, and by how they ended since a moment. `is_all`: there were no more of them."""

    active: int
    completed: int
    failed: int
    cancelled: int
    is_all: bool = True


def list_all_runs(
    runtime: Runtime,
    *,
    status: str | None = None,
    trigger: str | None = None,
    plan: str | None = None,
    owner_id: str | None = None,
    provider: str | None = None,
    error_code: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> RunFactsPage:
    """Runs of everybody, newest first; of a status, trigger, plan, owner, provider or error code. Unknown ones are left
    out of account."""
    columns = (RunRow.id, RunRow.trigger_type, RunRow.plan, RunRow.error_code, RunRow.created_at)
    walk = select(*columns).order_by(RunRow.id.desc()).limit(LOOKED_THROUGH)
    if status in STATUSES:
        walk = walk.where(RunRow.status == status)
    if owner_id:
        walk = walk.where(RunRow.owner_id == owner_id)
    if cursor:
        walk = walk.where(RunRow.id < cursor)
    seen = walk.subquery()
    wanted = select(seen.c.id).order_by(seen.c.id.desc()).limit(limit + 1)
    if trigger in TRIGGERS:
        wanted = wanted.where(seen.c.trigger_type == trigger)
    if plan in PLANS:
        wanted = wanted.where(seen.c.plan == plan)
    if error_code:
        wanted = wanted.where(seen.c.error_code == error_code)
    if provider:
        calls = select(StepRunRow.id).where(StepRunRow.run_id == seen.c.id, StepRunRow.provider == provider)
        wanted = wanted.where(calls.exists())
    with runtime.database.read() as session:
        ids = session.scalars(wanted).all()
        more = len(ids) > limit
        shown = ids[:limit]
        rows = session.scalars(
            select(RunRow).options(*WITHOUT_CONTENT).where(RunRow.id.in_(shown)).order_by(RunRow.id.desc())
        ).all()
        steps = _steps_of(session, shown)
        number, last, oldest = (
            session.execute(select(func.count(), func.min(seen.c.id), func.min(seen.c.created_at))).one()
            if not more
            else (LOOKED_THROUGH, None, None)
        )
    now = runtime.clock.now()
    items = tuple(_facts(row, steps.get(row.id, NO_STEPS), now) for row in rows)
    if more:
        return RunFactsPage(items, items[-1].id, LOOKED_THROUGH, items[-1].created_at)
    return RunFactsPage(items, last if number == LOOKED_THROUGH else None, number, oldest)


def stuck_runs(runtime: Runtime) -> tuple[RunFacts, ...]:
    """Runs that should be going on and do not, oldest first; those of people who are restricted rest on purpose."""
    now = runtime.clock.now()
    going_on = (RunRow.status.in_(ADVANCING), owner_processable(RunRow.owner_id))
    query = select(RunRow).options(*WITHOUT_CONTENT).where(*going_on).order_by(RunRow.id).limit(MOST_STUCK)
    with runtime.database.read() as session:
        found = [row for row in session.scalars(query).all() if why_stuck(_progress(row), now) is not None]
        steps = _steps_of(session, [row.id for row in found])
    return tuple(_facts(row, steps.get(row.id, NO_STEPS), now) for row in found)


def run_figures(runtime: Runtime, since: datetime, *, owner_id: str) -> RunFigures:
    """Runs of a person by status: under way now, and the newest LOOKED_THROUGH asked for since a moment."""
    mine = RunRow.owner_id == owner_id
    newest = select(RunRow.status).where(mine, RunRow.created_at >= since).order_by(RunRow.created_at.desc())
    some = newest.limit(LOOKED_THROUGH).subquery()
    with runtime.database.read() as session:
        active = count_up_to(session, select(RunRow.id).where(mine, RunRow.status.in_(ACTIVE)))
        counts: dict[str, int] = dict(
            session.execute(select(some.c.status, func.count()).group_by(some.c.status)).tuples().all()
        )
    ends = (counts.get("completed", 0), counts.get("failed", 0), counts.get("cancelled", 0))
    return RunFigures(active, *ends, is_all=sum(counts.values()) < LOOKED_THROUGH)


def active_runs(runtime: Runtime) -> int:
    """How many runs of everybody have not ended, up to MANY."""
    with runtime.database.read() as session:
        return count_up_to(session, select(RunRow.id).where(RunRow.status.in_(ACTIVE)))


def stop_runs_of(runtime: Runtime, by: SessionView, account_id: str) -> int:
    """Cancel every run of a person's that has not ended; answers how many. Raises Forbidden."""
    check_admin(runtime, by, confirmed=True)
    with runtime.database.write() as session:
        mine = (RunRow.owner_id == account_id, RunRow.status.in_(ACTIVE))
        number = session.scalar(select(func.count()).select_from(RunRow).where(*mine)) or 0
        record_act(
            runtime, session, "runs.stopped", actor_id=by.account.id, subject_id=account_id, number=number
        )  # fmt: skip
    return cancel_all_runs(runtime, account_id)


def _steps_of(session: Session, run_ids: Sequence[str]) -> dict[str, StepSums]:
    """What the steps of some runs come to, by run."""
    parts = (StepRunRow.run_id, StepRunRow.provider, StepRunRow.model)
    sums = select(*parts, func.count(), func.sum(StepRunRow.credit_micros)).where(StepRunRow.run_id.in_(run_ids))
    found: dict[str, StepSums] = {}
    for run_id, provider, model, number, micros in session.execute(sums.group_by(*parts)).tuples():
        before = found.get(run_id, NO_STEPS)
        named = frozenset({f"{provider}/{model}"}) if provider else frozenset[str]()
        found[run_id] = StepSums(before.number + number, before.micros + int(micros or 0), before.models | named)
    return found


def _progress(row: RunRow) -> Progress:
    return Progress(row.status, row.created_at, row.working_since, row.lease_until, row.wake_at)


def _facts(row: RunRow, steps: StepSums, now: datetime) -> RunFacts:
    return RunFacts(
        id=row.id,
        owner_id=row.owner_id,
        status=row.status,
        trigger_type=row.trigger_type,
        plan=row.plan,
        funding_mode=row.funding_mode,
        created_at=row.created_at,
        started_at=row.started_at,
        duration_ms=milliseconds(row.started_at, row.completed_at),
        steps=steps.number,
        models=tuple(sorted(steps.models)),
        credit_micros=steps.micros,
        error_code=row.error_code,
        stuck=why_stuck(_progress(row), now),
    )
