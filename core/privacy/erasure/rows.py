"""Deleting a person's rows: every table of the inventory that no law keeps, children first, a batch a transaction.

A table is walked by its owner, or page by page through the rows it belongs to, whichever has an index. So each row is
looked up once, however many there are, and memory holds one page of ids.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    Select,
    Table,
    UniqueConstraint,
    delete,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.execution.queue import QUEUE
from core.platform.many_ids import among, fetch_rows, in_one
from core.platform.pace import Pace
from core.platform.runtime import Runtime
from core.privacy.inventory import ACCOUNTS, TableEntry, find_table, owned_by, tables
from core.privacy.steps import Done, Work

LEAST_PAGE, PAGE, OF_A_ROW = 10, 250, 4
"""Rows that are looked up at once, with all that belongs to them: of so many that a batch has of each."""
MUCH = 2
"""How many batches may be one, where it keeps together what belongs together."""
RENEW_SECONDS = 10.0
IDS, NONE = "b_ids", MappingProxyType[str, Any]({})
UNQUEUE = text(
    "DELETE FROM procrastinate_jobs WHERE queue_name = :queue AND status <> 'doing' AND args->>'run_id' = ANY(:ids)"
)
"""Its events go with it. A job that is being done is deleted by its worker, who finds no run."""


@dataclass
class Walk:
    """One walk over a person's rows, and what it deleted by table."""

    runtime: Runtime
    account_id: str
    renew: Callable[[], None]
    counts: dict[str, int] = field(default_factory=dict)
    renewed_at: float = field(default_factory=time.monotonic)
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self.pace = Pace(self.runtime.database)

    def delete_all(self, table: Table, where: ColumnElement[bool]) -> None:
        """Delete the rows that meet a condition, as many at a time as keep nobody waiting."""
        while True:
            rows = self.pace.rows
            with self.pace.write() as session:
                done = self._delete(session, table, delete(table).where(_first_of(table, where, rows)))
            self._keep_lease()
            if done < rows:
                return

    def delete_together(self, parts: Sequence[tuple[Column[Any], int]], ids: Sequence[str]) -> None:
        """Delete what refers to rows by some columns, children first, in one transaction; part by part where it is
        much. With each column comes how many rows that are, at most."""
        is_sqlite = self.runtime.database.is_sqlite
        if sum(number for _, number in parts) > MUCH * self.pace.rows:
            for column, _ in parts:
                self.delete_all(column.table, among(column, ids, is_sqlite=is_sqlite))
        elif parts:
            with self.pace.write() as session:
                for column, _ in parts:
                    self._delete(session, column.table, *_those(column, ids, is_sqlite))
            self._keep_lease()

    def _delete(self, session: Session, table: Table, statement: Delete, values: Mapping[str, Any] = NONE) -> int:
        done = cast(CursorResult[Any], session.connection().execute(statement, values)).rowcount
        if done:
            self.counts[table.name] = self.counts.get(table.name, 0) + done
        return done

    def _keep_lease(self) -> None:
        now = time.monotonic()
        if now - self.renewed_at > RENEW_SECONDS:
            self.renewed_at = now
            self.renew()


def erase_rows(runtime: Runtime, work: Work) -> Done:
    """Delete every row of the person's that no law keeps, and the account last."""
    walk = Walk(runtime, work.account_id, work.renew)
    for entry in reversed(tables()):
        if entry.owner is not None and not entry.kept_by_law and _stands_alone(entry):
            _erase_table(walk, entry)
    return Done(walk.counts)


def left_rows(runtime: Runtime, account_id: str) -> dict[str, int]:
    """Tables that still have rows of a person although no law keeps them."""
    found: dict[str, int] = {}
    for entry in tables():
        if entry.owner is None or entry.kept_by_law:
            continue
        table = find_table(entry.name)
        one = select(next(iter(table.primary_key.columns))).where(owned_by(entry, account_id)).limit(1)
        with runtime.database.read() as session:
            if session.scalar(one) is not None:
                found[entry.name] = 1
    return found


def _erase_table(walk: Walk, entry: TableEntry) -> None:
    table = find_table(entry.name)
    mine = owned_by(entry, walk.account_id)
    if not _children(entry.name) and entry.name != "files":
        walk.delete_all(table, mine)
        return
    for ids in _pages(walk, table, mine):
        _erase_page(walk, table, ids)


def _pages(walk: Walk, table: Table, mine: ColumnElement[bool]) -> Iterator[Sequence[str]]:
    """Ids of rows, a page at a time, each after the last: what was deleted before is not looked at again."""
    key = next(iter(table.primary_key.columns))
    last = ""
    while True:
        page = max(LEAST_PAGE, min(PAGE, walk.pace.rows // OF_A_ROW))
        after = select(key).where(mine, key > last).order_by(key).limit(page)
        with walk.runtime.database.connect() as connection:
            ids = [row[0] for row in fetch_rows(connection, after)]
        if ids:
            yield ids
        if len(ids) < page:
            return
        last = ids[-1]


def _erase_page(walk: Walk, table: Table, ids: Sequence[str]) -> None:
    """Delete rows with all that belongs to them."""
    runtime, together = walk.runtime, list[tuple[Column[Any], int]]()
    for column, number in _there(runtime, table.name, ids):
        child = column.table
        if not _children(child.name):
            together.append((column, number))
            continue
        walk.delete_together(together, ids)  # some of it may belong to what comes now
        together = []
        for page in _pages(walk, child, among(column, ids, is_sqlite=runtime.database.is_sqlite)):
            _erase_page(walk, child, page)
    if table.name == "files":
        for file_id in ids:  # before its row, which alone knows whose it is
            for key in (file_id, f"{file_id}.derived"):
                runtime.blobs.delete(key)
                runtime.blobs.discard_part(key)
    if table.name == "runs" and not runtime.database.is_sqlite:
        with runtime.database.write() as session:
            session.execute(UNQUEUE, {"queue": QUEUE, "ids": list(ids)})
    walk.delete_together([*together, (next(iter(table.primary_key.columns)), len(ids))], ids)


def _there(runtime: Runtime, name: str, ids: Sequence[str]) -> Sequence[tuple[Column[Any], int]]:
    """The columns through which anything belongs to rows of a table, and how much; outside of what others wait for."""
    columns, is_sqlite = _children(name), runtime.database.is_sqlite
    if not columns:
        return ()
    with runtime.database.connect() as connection:
        numbers = connection.execute(_count(name, is_sqlite), {IDS: in_one(ids, is_sqlite=is_sqlite)}).one()
    return [(column, number) for column, number in zip(columns, numbers, strict=True) if number]


@cache
def _count(name: str, is_sqlite: bool) -> Select[Any]:
    """How many rows belong to some of a table, a number a column that leads there."""
    return select(
        *(
            select(func.count())
            .select_from(column.table)
            .where(among(column, IDS, is_sqlite=is_sqlite))
            .scalar_subquery()
            .label(f"n{number}")
            for number, column in enumerate(_children(name))
        )
    )


def _those(column: Column[Any], ids: Sequence[str], is_sqlite: bool) -> tuple[Delete, Mapping[str, Any]]:
    return _delete_those(column, is_sqlite), {IDS: in_one(ids, is_sqlite=is_sqlite)}


@cache
def _delete_those(column: Column[Any], is_sqlite: bool) -> Delete:
    return delete(column.table).where(among(column, IDS, is_sqlite=is_sqlite))


def _first_of(table: Table, where: ColumnElement[bool], rows: int) -> ColumnElement[bool]:
    """The condition for the first so many rows that there are."""
    keys = list(table.primary_key.columns)
    found = select(*keys).where(where).limit(rows)
    return keys[0].in_(found) if len(keys) == 1 else tuple_(*keys).in_(found)


@cache
def _children(name: str) -> tuple[Column[Any], ...]:
    """The columns through which rows belong to this table's; of tables that others belong to last."""
    found = []
    for entry in reversed(tables()):
        if entry.name == ACCOUNTS or entry.owner is None or entry.kept_by_law or _stands_alone(entry):
            continue
        table = find_table(entry.name)
        for key in table.foreign_keys:
            if key.column.table.name == name and name != ACCOUNTS and _leads(table, key.parent.name):
                found.append(key.parent)
    return tuple(found)


@cache
def _stands_alone(entry: TableEntry) -> bool:
    """Whether a table is walked by its owner: no index leads to its rows from something that they belong to."""
    table = find_table(entry.name)
    for key in table.foreign_keys:
        parent = next(each for each in tables() if each.name == key.column.table.name)
        theirs = parent.name != ACCOUNTS and parent.owner is not None and not parent.kept_by_law
        if theirs and _leads(table, key.parent.name):
            return False
    return True


def _leads(table: Table, column: str) -> bool:
    """Whether an index of the table begins with the column."""
    unique = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    columns = [list(each.columns) for each in (table.primary_key, *unique)]
    columns += [list(each.columns) for each in table.indexes]
    return column in [each[0].name for each in columns if each]
