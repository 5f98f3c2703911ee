"""Runs that are over go when their time is, with all that hangs on them, in batches that keep nobody waiting.

What goes on without them: schedules lose the link to their last run, the sum of what runs cost is carried on, the
ledger and statements never referred to rows of runs. A notebook's output that came from them is gone, its cell stale.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, delete, exists, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.execution.domain import FINAL
from core.execution.journal import RUNS
from core.execution.journal_rows import STEPS
from core.execution.models import DeletedUsageRow, DeliveryRow, ScheduleRow
from core.platform.dependents import Dependent, dependents
from core.platform.pace import Pace
from core.platform.runtime import Runtime

DELIVERIES, SCHEDULES = cast(Table, DeliveryRow.__table__), cast(Table, ScheduleRow.__table__)
ALONE = 4
"""A run with so many times the rows of a batch is taken apart in batches of its own before it goes."""
Guard = Callable[[Session], bool]
"""Asked at the start of each transaction, inside it: whether this person's rows may still be deleted."""


def done_with() -> tuple[ColumnElement[bool], ...]:
    """The conditions for runs that may go once they are old: ended, and all of it delivered."""
    waits = exists().where(DELIVERIES.c.run_id == RUNS.c.id, DELIVERIES.c.status == "pending")
    return RUNS.c.status.in_(FINAL), ~waits


def delete_runs(
    runtime: Runtime,
    owner_id: str,
    *,
    before: datetime,
    guard: Guard,
    keep: Collection[str] = (),
    pace: Pace | None = None,
) -> dict[str, int]:
    """Delete a person's runs from before a moment but `keep`; returns how many rows of each table.

    Safe to be killed anywhere and to be run twice at once: what another transaction holds is left to the next time.
    Ends early where `guard` says no.
    """
    pace, counts = pace or Pace(), dict[str, int]()
    while True:
        large: str | None = None
        with pace.batch(), runtime.database.write() as session:
            chosen, large = _choose(session, owner_id, before, keep, pace.rows) if guard(session) else ([], None)
            if chosen and large is None:
                _delete(runtime, session, owner_id, chosen, counts)
        if not chosen:
            return counts
        if large is not None:
            if not _take_apart(runtime, owner_id, large, guard, pace, counts):
                return counts
            with pace.batch(), runtime.database.write() as session:
                if guard(session):
                    _delete(runtime, session, owner_id, [large], counts)


def count_before(session: Session, owner_id: str, before: datetime) -> int:
    """How many ended runs of a person were asked for before a moment."""
    mine = (RUNS.c.owner_id == owner_id, RUNS.c.created_at < before, RUNS.c.status.in_(FINAL))
    return session.scalar(select(func.count()).select_from(RUNS).where(*mine)) or 0


def runs_before(runtime: Runtime, owner_id: str, before: datetime) -> int:
    """The same for a caller without a session."""
    with runtime.database.read() as session:
        return count_before(session, owner_id, before)


def _choose(
    session: Session, owner_id: str, before: datetime, keep: Collection[str], rows: int
) -> tuple[list[str], str | None]:
    """The oldest runs that together have about so many rows; and one that has far more, where it comes first."""
    old = [RUNS.c.owner_id == owner_id, RUNS.c.created_at < before, *done_with()]
    if keep:
        old.append(RUNS.c.id.not_in(list(keep)))
    oldest = select(RUNS.c.id, RUNS.c.last_seq).where(*old).order_by(RUNS.c.created_at)
    found = session.execute(oldest.limit(max(1, rows // 4)).with_for_update(skip_locked=True, of=RUNS)).all()
    if not found:
        return [], None
    steps = select(STEPS.c.run_id, func.count()).where(STEPS.c.run_id.in_([run.id for run in found]))
    counted: dict[str, int] = dict(session.execute(steps.group_by(STEPS.c.run_id)).tuples().all())
    chosen, total = list[str](), 0
    for run in found:
        weight = 1 + run.last_seq + counted.get(run.id, 0)
        if chosen and total + weight > rows:
            break
        chosen.append(run.id)
        total += weight
    return chosen, chosen[0] if len(chosen) == 1 and total > ALONE * rows else None


def _delete(runtime: Runtime, session: Session, owner_id: str, run_ids: Sequence[str], counts: dict[str, int]) -> None:
    for each in dependents("runs"):
        _remove(runtime, session, owner_id, each, each.of(run_ids), counts)
    last = (SCHEDULES.c.owner_id == owner_id, SCHEDULES.c.last_run_id.in_(run_ids))
    session.execute(update(SCHEDULES).where(*last).values(last_run_id=None))
    gone = session.execute(delete(RUNS).where(RUNS.c.id.in_(run_ids)))
    number = cast(CursorResult[Any], gone).rowcount
    _carry(runtime, session, owner_id, runs=number, cost=0)
    counts["runs"] = counts.get("runs", 0) + number


def _take_apart(runtime: Runtime, owner_id: str, run_id: str, guard: Guard, pace: Pace, counts: dict[str, int]) -> bool:
    """Delete what hangs on one large run, a batch of rows a transaction; False where `guard` says no meanwhile."""
    for each in dependents("runs"):
        keys = tuple(each.table.primary_key.columns)
        while True:
            some = select(*keys).where(each.of([run_id])).limit(pace.rows)
            where = tuple_(*keys).in_(some) if len(keys) > 1 else keys[0].in_(some)
            with pace.batch(), runtime.database.write() as session:
                allowed = guard(session)
                number = _remove(runtime, session, owner_id, each, where, counts) if allowed else 0
            if not allowed:
                return False
            if number == 0:
                break
    return True


def _remove(
    runtime: Runtime,
    session: Session,
    owner_id: str,
    what: Dependent,
    where: ColumnElement[bool],
    counts: dict[str, int],
) -> int:
    gone = delete(what.table).where(where)
    if what.table is STEPS:
        costs = session.scalars(gone.returning(STEPS.c.cost_micro_cents)).all()
        number = len(costs)
        _carry(runtime, session, owner_id, runs=0, cost=sum(costs))
    else:
        number = cast(CursorResult[Any], session.execute(gone)).rowcount
    if number:
        counts[what.table.name] = counts.get(what.table.name, 0) + number
    return number


def _carry(runtime: Runtime, session: Session, owner_id: str, *, runs: int, cost: int) -> None:
    if not runs and not cost:
        return
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    row = insert(DeletedUsageRow).values(owner_id=owner_id, runs=runs, cost_micro_cents=cost)
    more = {
        "runs": DeletedUsageRow.runs + row.excluded.runs,
        "cost_micro_cents": DeletedUsageRow.cost_micro_cents + row.excluded.cost_micro_cents,
    }
    session.execute(row.on_conflict_do_update(index_elements=["owner_id"], set_=more))
