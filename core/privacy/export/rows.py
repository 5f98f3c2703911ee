"""Rows of a person for their copy: a few at a time, decrypted, without what is somebody else's.

Each page is a short transaction of its own, found through an index however many rows there are: what hangs on a run or
on a movement of credits is read through that.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, select

from core.platform.dependents import dependents
from core.platform.runtime import Runtime
from core.privacy.export.passages import LEFT_OUT
from core.privacy.export.redactions import Redactions, without_others
from core.privacy.export.selection import ShownTable
from core.privacy.inventory import find_table, owned_by
from core.privacy.plain_rows import open_value, pages, plain, row_key
from core.shared.types import JsonValue

ROOTS_AT_ONCE = 20
LIVE = "run_events"
ROOTS = ("runs", "ledger_transactions")
ORDERED_BY = {"ledger_transactions": "number"}
"""Tables whose rows of a person are in another order than that of their ids."""
Record = dict[str, JsonValue]


def records(runtime: Runtime, account_id: str, shown: ShownTable, redactions: Redactions) -> Iterator[Record]:
    """The person's rows of a table as plain values, in the order of their keys."""
    for root in ROOTS:
        hanging = {each.table.name: each for each in dependents(root)}.get(shown.name)
        if hanging is not None:
            for ids in _root_ids(runtime, account_id, root):
                yield from _pages(runtime, account_id, shown, hanging.of(ids), redactions)
            return
    yield from _pages(runtime, account_id, shown, owned_by(shown.entry, account_id), redactions)


def _pages(
    runtime: Runtime, account_id: str, shown: ShownTable, mine: ColumnElement[bool], redactions: Redactions
) -> Iterator[Record]:
    keys = tuple(shown.table.primary_key.columns)
    order = (shown.table.c[ORDERED_BY[shown.name]],) if shown.name in ORDERED_BY else keys
    kind = [shown.table.c.kind] if shown.name == LIVE else []
    wanted = list(dict.fromkeys([*keys, *order, *kind, *(each.column for each in shown.columns)]))
    for rows in pages(runtime, wanted, mine, order):
        for row in rows:
            yield _record(runtime, account_id, shown, row, row_key(shown.table, row), redactions)


def _record(
    runtime: Runtime, account_id: str, shown: ShownTable, row: Mapping[str, Any], place: str, redactions: Redactions
) -> Record:
    found: Record = {}
    for each in shown.columns:
        value = row[each.name]
        if each.rules is not None and redactions.leave_out(shown.name, place, each.name):
            found[each.name] = LEFT_OUT
            continue
        if each.rules is not None and redactions.passages and shown.name == LIVE and row["kind"] == "token":
            found[each.name] = LEFT_OUT  # a passage may stand across two pieces of a text on its way
            continue
        told = plain(value)
        if each.sealed:
            where = f"{shown.name}.{each.name}:{place}"
            told = None if value is None else open_value(runtime, (account_id,), where, value)
        shown_value = without_others(shown.name, each.name, told, account_id)
        found[each.name] = shown_value if each.rules is None else redactions.passages.clean(shown_value)
    return found


def _root_ids(runtime: Runtime, account_id: str, root: str) -> Iterator[list[str]]:
    """The ids of a person's rows of a table that others hang on, some at a time, in the order of an index."""
    table, name = find_table(root), ORDERED_BY.get(root, "id")
    column, after = table.c[name], None
    while True:
        some = select(table.c.id, column.label("place")).where(table.c.owner_id == account_id)
        if after is not None:
            some = some.where(column > after)
        with runtime.database.read() as session:
            found = session.execute(some.order_by(column).limit(ROOTS_AT_ONCE)).all()
        if not found:
            return
        yield [row.id for row in found]
        after = found[-1].place
