"""Runs that are over go when their time is, with all that hangs on them, in batches that keep nobody waiting.

What goes on without them: schedules lose the link to their last run, the sum of what runs cost is carried on, the
ledger and statements never referred to rows of runs. A notebook's output that came from them is gone, its cell stale.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Delete,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.execution.domain import FINAL
from core.execution.journal import RUNS
from core.execution.journal_rows import STEPS
from core.execution.models import DeletedUsageRow, DeliveryRow, ScheduleRow
from core.platform.database import UtcDateTime
from core.platform.dependents import Dependent, dependents
from core.platform.pace import Pace
from core.platform.runtime import Runtime

DELETED = cast(Table, DeletedUsageRow.__table__)
DELIVERIES, SCHEDULES = cast(Table, DeliveryRow.__table__), cast(Table, ScheduleRow.__table__)
CHOSEN = 500
"""Runs that are looked up at once; batches take from them."""
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
    pace, counts = pace or Pace(runtime.database), dict[str, int]()
    while True:
        with runtime.database.connect() as connection:  # outside of what others wait for
            chosen = _choose(connection, owner_id, before, keep)
        if not chosen:
            return counts
        gone = 0
        while chosen:
            batch = _first(chosen, pace.rows)
            large = len(batch) == 1 and batch[0].rows > ALONE * pace.rows
            if large and not _take_apart(runtime, owner_id, batch[0].id, guard, pace, counts):
                return counts
            with pace.batch(), runtime.database.write() as session:
                if not guard(session):
                    return counts
                gone += _delete(session.connection(), owner_id, batch, counts)
            chosen = chosen[len(batch) :]
        if gone == 0:
            return counts  # all that is left is in somebody's hands


def count_before(session: Session, owner_id: str, before: datetime) -> int:
    """How many ended runs of a person were asked for before a moment."""
    mine = (RUNS.c.owner_id == owner_id, RUNS.c.created_at < before, RUNS.c.status.in_(FINAL))
    return session.scalar(select(func.count()).select_from(RUNS).where(*mine)) or 0


def runs_before(runtime: Runtime, owner_id: str, before: datetime) -> int:
    """The same for a caller without a session."""
    with runtime.database.read() as session:
        return count_before(session, owner_id, before)


@dataclass(frozen=True, slots=True)
class _Old:
    """A run that goes: about how many rows it is, and which tables something hangs on it in."""

    id: str
    rows: int
    tables: frozenset[str]


@dataclass(frozen=True)
class _Statements:
    """What is sent for each batch, built once: a batch is short, and building its statements would be most of it."""

    oldest: Select[Any]
    counts: tuple[tuple[str, Any], ...]
    linked: Select[Any]
    lock: Select[Any]
    hanging: tuple[tuple[Dependent, Any], ...]
    unlink: Update
    runs: Delete
    carry: Any


@cache
def _statements(is_sqlite: bool) -> _Statements:
    ids: BindParameter[Any] = bindparam("b_ids", expanding=True)
    owner: BindParameter[str] = bindparam("b_owner")
    old = (RUNS.c.owner_id == owner, RUNS.c.created_at < bindparam("b_before", type_=UtcDateTime()), *done_with())
    keep = RUNS.c.id.not_in(bindparam("b_keep", expanding=True))
    counts: list[tuple[str, Any]] = []
    hanging = []
    for each in dependents("runs"):
        found = each.through(lambda column: column.in_(ids))
        if each.parent is None and each.table.name != "run_events":  # the number of the newest event is on the run
            counted = select(each.column, func.count()).where(found).group_by(each.column)
            counts.append((each.table.name, counted))
        gone = delete(each.table).where(found)
        hanging.append((each, gone.returning(STEPS.c.cost_micro_cents) if each.table is STEPS else gone))
    linked = (SCHEDULES.c.owner_id == owner, SCHEDULES.c.last_run_id.in_(ids))
    insert = sqlite.insert if is_sqlite else postgresql.insert
    row = insert(DELETED).values(owner_id=owner, runs=bindparam("b_runs"), cost_micro_cents=bindparam("b_cost"))
    more = {name: DELETED.c[name] + row.excluded[name] for name in ("runs", "cost_micro_cents")}
    return _Statements(
        select(RUNS.c.id, RUNS.c.last_seq).where(*old, keep).order_by(RUNS.c.created_at).limit(CHOSEN),
        tuple(counts),
        select(SCHEDULES.c.last_run_id).where(*linked),
        select(RUNS.c.id).where(RUNS.c.id.in_(ids)).order_by(RUNS.c.id).with_for_update(skip_locked=True),
        tuple(hanging),
        update(SCHEDULES).where(*linked).values(last_run_id=None),
        delete(RUNS).where(RUNS.c.id.in_(ids)),
        row.on_conflict_do_update(index_elements=["owner_id"], set_=more),
    )


def _choose(connection: Connection, owner_id: str, before: datetime, keep: Collection[str]) -> list[_Old]:
    """The oldest runs that may go. A run that has ended never goes on, and gets nothing more to hang on it."""
    send = _statements(connection.dialect.name == "sqlite")
    asked = {"b_owner": owner_id, "b_before": before, "b_keep": list(keep)}
    found = connection.execute(send.oldest, asked).all()
    if not found:
        return []
    asked = {"b_owner": owner_id, "b_ids": [run.id for run in found]}
    counted: dict[str, dict[str, int]] = {
        name: dict(connection.execute(count, asked).tuples().all()) for name, count in send.counts
    }
    linked = frozenset(connection.scalars(send.linked, asked))
    chosen = []
    for run in found:
        mine = {name: rows[run.id] for name, rows in counted.items() if run.id in rows}
        mine |= {"run_events": run.last_seq} if run.last_seq else {}
        mine |= {"schedules": 1} if run.id in linked else {}
        chosen.append(_Old(run.id, 1 + sum(mine.values()), frozenset(mine)))
    return chosen


def _first(chosen: Sequence[_Old], rows: int) -> list[_Old]:
    """The first of them, together about so many rows; at least one."""
    batch, total = [chosen[0]], chosen[0].rows
    for run in chosen[1:]:
        total += run.rows
        if total > rows:
            break
        batch.append(run)
    return batch


def _delete(connection: Connection, owner_id: str, batch: Sequence[_Old], counts: dict[str, int]) -> int:
    """Delete runs with what hangs on them; how many. Those that another transaction holds stay."""
    is_sqlite = connection.dialect.name == "sqlite"
    send, cost, ids = _statements(is_sqlite), 0, [run.id for run in batch]
    if not is_sqlite:
        ids = list(connection.scalars(send.lock, {"b_ids": ids}))
        if not ids:
            return 0
    asked, there = {"b_owner": owner_id, "b_ids": ids}, frozenset().union(*(run.tables for run in batch))
    for each, gone in send.hanging:
        if each.root_table not in there:
            continue
        done = connection.execute(gone, asked)
        number = done.rowcount
        if each.table is STEPS:
            costs = done.scalars().all()
            number, cost = len(costs), sum(costs)
        if number:
            counts[each.table.name] = counts.get(each.table.name, 0) + number
    if "schedules" in there:
        connection.execute(send.unlink, asked)
    number = connection.execute(send.runs, asked).rowcount
    connection.execute(send.carry, {"b_owner": owner_id, "b_runs": number, "b_cost": cost})
    counts["runs"] = counts.get("runs", 0) + number
    return number


def _take_apart(runtime: Runtime, owner_id: str, run_id: str, guard: Guard, pace: Pace, counts: dict[str, int]) -> bool:
    """Delete what hangs on one large run, a batch of rows a transaction; False where `guard` says no meanwhile."""
    for each in dependents("runs"):
        keys = tuple(each.table.primary_key.columns)
        while True:
            some = select(*keys).where(each.of([run_id])).limit(pace.rows)
            where = tuple_(*keys).in_(some) if len(keys) > 1 else keys[0].in_(some)
            with pace.batch(), runtime.database.write() as session:
                allowed = guard(session)
                number = _remove(session.connection(), owner_id, each, where, counts) if allowed else 0
            if not allowed:
                return False
            if number == 0:
                break
    return True


def _remove(
    connection: Connection, owner_id: str, what: Dependent, where: ColumnElement[bool], counts: dict[str, int]
) -> int:
    gone = delete(what.table).where(where)
    if what.table is not STEPS:
        number = connection.execute(gone).rowcount
    else:
        costs = connection.scalars(gone.returning(STEPS.c.cost_micro_cents)).all()
        number = len(costs)
        carried = {"b_owner": owner_id, "b_runs": 0, "b_cost": sum(costs)}
        connection.execute(_statements(connection.dialect.name == "sqlite").carry, carried)
    if number:
        counts[what.table.name] = counts.get(what.table.name, 0) + number
    return number
