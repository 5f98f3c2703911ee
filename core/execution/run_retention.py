"""Runs that are over go when their time is, with all that hangs on them, in batches that keep nobody waiting.

What goes on without them: schedules lose the link to their last run, the sum of what runs cost is carried on, the
ledger and statements never referred to rows of runs. A notebook's output that came from them is gone, its cell stale.
"""

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
from core.platform.many_ids import among, fetch_rows, in_one, not_among
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
START = (datetime(1, 1, 1, tzinfo=UTC), "")
"""When the run was asked for that was looked up last, and its id."""
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
    after = START
    while True:
        with runtime.database.connect() as connection:  # outside of what others wait for
            chosen, after = _choose(connection, owner_id, after, before, keep)
        if not chosen:
            return counts
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
    rows: int
    tables: frozenset[str]


@dataclass(frozen=True)
class _Statements:
    """What is sent for each batch, built once: a batch is short, and building its statements would be most of it."""

    oldest: Select[Any]
    seldom: tuple[str, ...]
    lock: HotStatement
    carry: HotStatement
    hanging: tuple[tuple[Dependent, HotStatement], ...]
    unlink: HotStatement
    runs: HotStatement


@cache
def _statements(is_sqlite: bool) -> _Statements:
    def these(column: ColumnElement[Any]) -> ColumnElement[bool]:
        return among(column, "b_ids", is_sqlite=is_sqlite)

    owner = bindparam("b_owner", type_=String())
    after, after_id = bindparam("b_after", type_=UtcDateTime()), bindparam("b_after_id", type_=String())
    on_from = (RUNS.c.created_at >= after, or_(RUNS.c.created_at > after, RUNS.c.id > after_id))
    until = (RUNS.c.created_at < bindparam("b_before", type_=UtcDateTime()), *done_with())
    free = not_among(RUNS.c.id, "b_keep", is_sqlite=is_sqlite)
    # A step leaves an event at least, so twice the events stand for both.
    events = select(func.count()).select_from(EVENTS).where(EVENTS.c.run_id == RUNS.c.id).scalar_subquery()
    rows = 1 + 2 * case((RUNS.c.last_seq <= FEW, RUNS.c.last_seq), else_=events)
    seldom = [each for each in dependents("runs") if each.parent is None and each.table not in (STEPS, EVENTS)]
    there = [exists().where(each.column == RUNS.c.id) for each in seldom]
    oldest = select(
        RUNS.c.id, RUNS.c.created_at, rows.label("rows"), *(has.label(f"has_{n}") for n, has in enumerate(there))
    )
    number = select(func.count()).select_from(RUNS).where(these(RUNS.c.id)).scalar_subquery()
    cost = select(func.coalesce(func.sum(STEPS.c.cost_micro_cents), 0)).where(these(STEPS.c.run_id))
    return _Statements(
        oldest.where(RUNS.c.owner_id == owner, *on_from, *until, free)
        .order_by(RUNS.c.created_at, RUNS.c.id)
        .limit(CHOSEN),
        tuple(each.table.name for each in seldom),
        HotStatement(select(RUNS.c.id).where(these(RUNS.c.id)).order_by(RUNS.c.id).with_for_update(skip_locked=True)),
        HotStatement(_carried(is_sqlite, owner, number, cost.scalar_subquery())),
        tuple((each, HotStatement(delete(each.table).where(each.through(these)))) for each in dependents("runs")),
        HotStatement(
            update(SCHEDULES)
            .where(SCHEDULES.c.owner_id == owner, these(SCHEDULES.c.last_run_id))
            .values(last_run_id=null())
        ),
        HotStatement(delete(RUNS).where(these(RUNS.c.id))),
    )


def _carried(is_sqlite: bool, owner_id: Any, runs: Any, cost: Any) -> Any:
    """What adds to the sums that go on, before that is deleted which they are taken from."""
    insert = sqlite.insert if is_sqlite else postgresql.insert
    row = insert(DELETED).values(owner_id=owner_id, runs=runs, cost_micro_cents=cost)
    more = {name: DELETED.c[name] + row.excluded[name] for name in ("runs", "cost_micro_cents")}
    return row.on_conflict_do_update(index_elements=["owner_id"], set_=more)


def _choose(
    connection: Connection, owner_id: str, after: tuple[datetime, str], before: datetime, keep: Collection[str]
) -> tuple[list[_Old], tuple[datetime, str]]:
    """The oldest runs after one that may go, and the last of them. What has ended gets nothing more to hang on it."""
    is_sqlite = connection.dialect.name == "sqlite"
    send, kept = _statements(is_sqlite), in_one(keep, is_sqlite=is_sqlite)
    asked = {"b_owner": owner_id, "b_after": after[0], "b_after_id": after[1], "b_before": before, "b_keep": kept}
    found = fetch_rows(connection, send.oldest, asked)
    if not found:
        return [], after
    chosen, none = list[_Old](), frozenset[str]()
    for run_id, _, rows, *there in found:
        seldom = frozenset(name for name, has in zip(send.seldom, there, strict=True) if has) if any(there) else none
        chosen.append(_Old(run_id, rows, seldom))
    last_at, last_id = max((row[1], row[0]) for row in found)
    if is_sqlite:
        last_at = datetime.fromisoformat(last_at).replace(tzinfo=UTC)
    return chosen, (last_at, last_id)


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
    send, ids = _statements(is_sqlite), [run.id for run in batch]
    if not is_sqlite:
        ids = [row[0] for row in send.lock.run(connection, {"b_ids": ids})]
        if not ids:
            return
    asked = {"b_owner": owner_id, "b_ids": in_one(ids, is_sqlite=is_sqlite)}
    send.carry.run(connection, asked)
    there = frozenset[str]().union(*(run.tables for run in batch))
    for each, gone in send.hanging:
        if each.root_table not in send.seldom or each.root_table in there:
            _count(counts, each.table, gone.run(connection, asked).rowcount)
    send.unlink.run(connection, asked)
    _count(counts, RUNS, send.runs.run(connection, asked).rowcount)


def _count(counts: dict[str, int], table: Table, number: int) -> None:
    if number:
        counts[table.name] = counts.get(table.name, 0) + number


def _take_apart(runtime: Runtime, owner_id: str, run_id: str, guard: Guard, pace: Pace, counts: dict[str, int]) -> bool:
    """Delete what hangs on one large run, a batch of rows a transaction; False where `guard` says no meanwhile."""
    for each in dependents("runs"):
        keys = tuple(each.table.primary_key.columns)
        while True:
            some = select(*keys).where(each.of([run_id])).order_by(*keys).limit(pace.rows)
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
    if what.table is STEPS:
        cost = select(func.coalesce(func.sum(STEPS.c.cost_micro_cents), 0)).where(where).scalar_subquery()
        connection.execute(_carried(connection.dialect.name == "sqlite", owner_id, 0, cost))
    number = connection.execute(delete(what.table).where(where)).rowcount
    _count(counts, what.table, number)
    return number
