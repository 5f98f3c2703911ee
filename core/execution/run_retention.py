"""Runs that are over go when their time is, with all that hangs on them, in batches that keep nobody waiting.

What goes on without them: schedules lose the link to their last run, the sum of what runs cost is carried on, the
ledger and statements never referred to rows of runs. A notebook's output that came from them is gone, its cell stale.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    Text,
    all_,
    any_,
    bindparam,
    case,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.execution.domain import FINAL
from core.execution.journal import RUNS
from core.execution.journal_rows import STEPS
from core.execution.models import DeletedUsageRow, DeliveryRow, RunEventRow, ScheduleRow
from core.platform.database import UtcDateTime
from core.platform.dependents import Dependent, dependents
from core.platform.hot import HotStatement
from core.platform.pace import Pace
from core.platform.runtime import Runtime

DELETED = cast(Table, DeletedUsageRow.__table__)
DELIVERIES, SCHEDULES = cast(Table, DeliveryRow.__table__), cast(Table, ScheduleRow.__table__)
EVENTS = cast(Table, RunEventRow.__table__)
CHOSEN = 1_000
"""Runs that are looked up at once; batches take from them."""
FEW = 40
"""Up to this number of its newest event, a run is taken to have them all: those of tokens are folded away."""
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
    after = (datetime(1, 1, 1, tzinfo=UTC), "")
    while True:
        with runtime.database.connect() as connection:  # outside of what others wait for
            chosen = _choose(connection, owner_id, after, before, keep)
        if not chosen:
            return counts
        after = (chosen[-1].created_at, chosen[-1].id)
        while chosen:
            batch = _first(chosen, pace.rows)
            large = len(batch) == 1 and batch[0].rows > ALONE * pace.rows
            if large and not _take_apart(runtime, owner_id, batch[0].id, guard, pace, counts):
                return counts
            with pace.write() as session:
                if not guard(session):
                    return counts
                _delete(session.connection(), owner_id, batch, counts)
            chosen = chosen[len(batch) :]


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
    """A run that goes: about how many rows it is, and the tables that not every run has rows in, where it has some."""

    id: str
    created_at: datetime
    rows: int
    tables: frozenset[str]


@dataclass(frozen=True)
class _Statements:
    """What is sent for each batch, built once: a batch is short, and building its statements would be most of it."""

    oldest: Select[Any]
    seldom: tuple[str, ...]
    lock: HotStatement
    hanging: tuple[tuple[Dependent, HotStatement], ...]
    unlink: HotStatement
    runs: HotStatement
    carry: HotStatement


@cache
def _statements(is_sqlite: bool) -> _Statements:
    owner = bindparam("b_owner", type_=String())
    ids = _listed(is_sqlite, "b_ids")
    after, after_id = bindparam("b_after", type_=UtcDateTime()), bindparam("b_after_id", type_=String())
    on_from = (RUNS.c.created_at >= after, or_(RUNS.c.created_at > after, RUNS.c.id > after_id))
    until = (RUNS.c.created_at < bindparam("b_before", type_=UtcDateTime()), *done_with())
    # A step leaves an event at least, so twice the events stand for both.
    events = select(func.count()).select_from(EVENTS).where(EVENTS.c.run_id == RUNS.c.id).scalar_subquery()
    rows = 1 + 2 * case((RUNS.c.last_seq <= FEW, RUNS.c.last_seq), else_=events)
    seldom = [each for each in dependents("runs") if each.parent is None and each.table not in (STEPS, EVENTS)]
    there = [exists().where(each.column == RUNS.c.id) for each in seldom]
    oldest = select(RUNS.c.id, RUNS.c.created_at, rows, *there)
    oldest = oldest.where(RUNS.c.owner_id == owner, *on_from, *until, _not_listed(is_sqlite, "b_keep", RUNS.c.id))
    gone = [(each, _gone(is_sqlite, each.table, each.through(ids))) for each in dependents("runs")]
    hanging = tuple((each, HotStatement(statement)) for each, statement in gone)
    linked = (SCHEDULES.c.owner_id == owner, ids(SCHEDULES.c.last_run_id))
    insert = sqlite.insert if is_sqlite else postgresql.insert
    row = insert(DELETED).values(owner_id=owner, runs=bindparam("b_runs"), cost_micro_cents=bindparam("b_cost"))
    more = {name: DELETED.c[name] + row.excluded[name] for name in ("runs", "cost_micro_cents")}
    return _Statements(
        oldest.order_by(RUNS.c.created_at, RUNS.c.id).limit(CHOSEN),
        tuple(each.table.name for each in seldom),
        HotStatement(select(RUNS.c.id).where(ids(RUNS.c.id)).order_by(RUNS.c.id).with_for_update(skip_locked=True)),
        hanging,
        HotStatement(update(SCHEDULES).where(*linked).values(last_run_id=null())),
        HotStatement(delete(RUNS).where(ids(RUNS.c.id))),
        HotStatement(row.on_conflict_do_update(index_elements=["owner_id"], set_=more)),
    )


def _listed(is_sqlite: bool, name: str) -> Callable[[ColumnElement[Any]], ColumnElement[bool]]:
    """The condition that a column is among ids that come as one parameter: to bind each would cost as much again."""
    if is_sqlite:
        return lambda column: column.in_(_values(name))
    return lambda column: column == any_(bindparam(name, type_=postgresql.ARRAY(Text())))


def _not_listed(is_sqlite: bool, name: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """That it is not among them."""
    if is_sqlite:
        return column.not_in(_values(name))
    return column != all_(bindparam(name, type_=postgresql.ARRAY(Text())))


def _values(name: str) -> Select[Any]:
    return select(func.json_each(bindparam(name, type_=Text())).table_valued("value").c.value)


def _sent(is_sqlite: bool, ids: Collection[str]) -> str | list[str]:
    """Ids as that parameter."""
    return json.dumps([*ids]) if is_sqlite else [*ids]


def _gone(is_sqlite: bool, table: Table, where: ColumnElement[bool]) -> Any:
    """What deletes rows that hang on runs. Of steps it answers what each cost; on PostgreSQL their number and sum."""
    gone = delete(table).where(where)
    if table is not STEPS:
        return gone
    if is_sqlite:
        return gone.returning(STEPS.c.cost_micro_cents)
    costs = gone.returning(STEPS.c.cost_micro_cents).cte("gone")
    return select(func.count(), func.coalesce(func.sum(costs.c.cost_micro_cents), 0)).select_from(costs)


def _choose(
    connection: Connection, owner_id: str, after: tuple[datetime, str], before: datetime, keep: Collection[str]
) -> list[_Old]:
    """The oldest runs that may go. A run that has ended never goes on, and gets nothing more to hang on it."""
    is_sqlite = connection.dialect.name == "sqlite"
    send, (moment, run_id) = _statements(is_sqlite), after
    found = connection.execute(
        send.oldest,
        {
            "b_owner": owner_id,
            "b_after": moment,
            "b_after_id": run_id,
            "b_before": before,
            "b_keep": _sent(is_sqlite, keep),
        },
    )
    chosen, none = list[_Old](), frozenset[str]()
    for run, created_at, rows, *there in found:
        seldom = frozenset(name for name, has in zip(send.seldom, there, strict=True) if has) if any(there) else none
        chosen.append(_Old(run, created_at, rows, seldom))
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


def _delete(connection: Connection, owner_id: str, batch: Sequence[_Old], counts: dict[str, int]) -> None:
    """Delete runs with what hangs on them. Those that another transaction holds stay."""
    is_sqlite = connection.dialect.name == "sqlite"
    send, cost, ids = _statements(is_sqlite), 0, [run.id for run in batch]
    if not is_sqlite:
        ids = [row[0] for row in send.lock.run(connection, {"b_ids": ids})]
        if not ids:
            return
    asked = {"b_owner": owner_id, "b_ids": _sent(is_sqlite, ids)}
    there = frozenset[str]().union(*(run.tables for run in batch))
    for each, gone in send.hanging:
        if each.root_table in send.seldom and each.root_table not in there:
            continue
        done = gone.run(connection, asked)
        number = done.rowcount
        if each.table is STEPS:
            number, cost = _costs(is_sqlite, done.fetchall())
        if number:
            counts[each.table.name] = counts.get(each.table.name, 0) + number
    send.unlink.run(connection, asked)
    number = send.runs.run(connection, asked).rowcount
    send.carry.run(connection, {"b_owner": owner_id, "b_runs": number, "b_cost": cost})
    counts["runs"] = counts.get("runs", 0) + number


def _costs(is_sqlite: bool, found: Sequence[Sequence[Any]]) -> tuple[int, int]:
    """How many steps were deleted, and what they cost together."""
    if is_sqlite:
        return len(found), sum(row[0] for row in found)
    return found[0][0], int(found[0][1])


def _take_apart(runtime: Runtime, owner_id: str, run_id: str, guard: Guard, pace: Pace, counts: dict[str, int]) -> bool:
    """Delete what hangs on one large run, a batch of rows a transaction; False where `guard` says no meanwhile."""
    for each in dependents("runs"):
        keys = tuple(each.table.primary_key.columns)
        while True:
            some = select(*keys).where(each.of([run_id])).limit(pace.rows)
            where = tuple_(*keys).in_(some) if len(keys) > 1 else keys[0].in_(some)
            with pace.write() as session:
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
    is_sqlite = connection.dialect.name == "sqlite"
    done = connection.execute(_gone(is_sqlite, what.table, where))
    number = done.rowcount
    if what.table is STEPS:
        number, cost = _costs(is_sqlite, done.all())
        _statements(is_sqlite).carry.run(connection, {"b_owner": owner_id, "b_runs": 0, "b_cost": cost})
    if number:
        counts[what.table.name] = counts.get(what.table.name, 0) + number
    return number
