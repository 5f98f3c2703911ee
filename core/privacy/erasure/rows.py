"""Deleting a person's rows: every table of the inventory that no law keeps, children first, a batch a transaction.

A table is walked by its owner, or page by page through the rows it belongs to, whichever has an index. So each row is
looked up once, however many there are, and memory holds one page of ids.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Table, UniqueConstraint, bindparam, delete, select, text, tuple_
from sqlalchemy.engine import CursorResult

from core.execution.queue import QUEUE
from core.platform.runtime import Runtime
from core.privacy.inventory import ACCOUNTS, TableEntry, find_table, owned_by, tables
from core.privacy.steps import Done, Work

PAGE = 1_000
BATCH = 2_000
"""Rows in one transaction: some 20 ms on SQLite, which has one writer."""
REST = 0.1
"""How much of its own time a batch leaves to others before the next, who wait to write as well."""
RENEW_SECONDS = 10.0
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

    def delete(self, table: Table, where: ColumnElement[bool]) -> int:
        """Delete in one short transaction; then let others have a turn."""
        begun = time.monotonic()
        with self.runtime.database.write() as session:
            done = cast(CursorResult[Any], session.execute(delete(table).where(where))).rowcount
        if done:
            self.counts[table.name] = self.counts.get(table.name, 0) + done
        now = time.monotonic()
        time.sleep((now - begun) * REST)
        if now - self.renewed_at > RENEW_SECONDS:
            self.renewed_at = now
            self.renew()
        return done


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
        while walk.delete(table, _first_of(table, mine)) == BATCH:
            pass
        return
    for ids in _pages(walk, table, mine):
        _erase_page(walk, table, ids)


def _pages(walk: Walk, table: Table, mine: ColumnElement[bool]) -> Iterator[Sequence[str]]:
    """Ids of rows, a page at a time, each after the last: what was deleted before is not looked at again."""
    key = next(iter(table.primary_key.columns))
    last = ""
    while True:
        after = select(key).where(mine, key > last).order_by(key).limit(PAGE)
        with walk.runtime.database.connect() as connection:
            ids = connection.scalars(after).all()
        if ids:
            yield ids
        if len(ids) < PAGE:
            return
        last = ids[-1]


def _erase_page(walk: Walk, table: Table, ids: Sequence[str]) -> None:
    """Delete rows with all that belongs to them."""
    for child, column in _children(table.name):
        _erase_children(walk, child, column, ids)
    runtime = walk.runtime
    if table.name == "files":
        for file_id in ids:  # before its row, which alone knows whose it is
            for key in (file_id, f"{file_id}.derived"):
                runtime.blobs.delete(key)
                runtime.blobs.discard_part(key)
    if table.name == "runs" and not runtime.database.is_sqlite:
        with runtime.database.write() as session:
            session.execute(UNQUEUE, {"queue": QUEUE, "ids": list(ids)})
    walk.delete(table, next(iter(table.primary_key.columns)).in_(ids))


def _erase_children(walk: Walk, table: Table, column: Column[Any], ids: Sequence[str]) -> None:
    theirs = column.in_(bindparam(None, list(ids), expanding=True))
    if not _children(table.name):
        while walk.delete(table, _first_of(table, theirs)) == BATCH:
            pass
        return
    for page in _pages(walk, table, theirs):
        _erase_page(walk, table, page)


def _first_of(table: Table, where: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition for the first rows that there are, a batch of them."""
    keys = list(table.primary_key.columns)
    found = select(*keys).where(where).limit(BATCH)
    return keys[0].in_(found) if len(keys) == 1 else tuple_(*keys).in_(found)


@cache
def _children(name: str) -> tuple[tuple[Table, Column[Any]], ...]:
    """Tables whose rows are reached through this one's, those that others belong to last."""
    found = []
    for entry in reversed(tables()):
        if entry.name == ACCOUNTS or entry.owner is None or entry.kept_by_law or _stands_alone(entry):
            continue
        table = find_table(entry.name)
        for key in table.foreign_keys:
            if key.column.table.name == name and name != ACCOUNTS and _leads(table, key.parent.name):
                found.append((table, key.parent))
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
