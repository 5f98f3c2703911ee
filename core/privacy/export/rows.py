"""Rows of a person for their copy: a few at a time, decrypted, without what is somebody else's.

Each page is a short transaction of its own, found through an index however many rows there are: what hangs on a run or
on a movement of credits is read through that.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, select, tuple_

from core.platform.dependents import dependents
from core.platform.runtime import Runtime
from core.privacy.export.passages import LEFT_OUT
from core.privacy.export.redactions import Redactions, without_others
from core.privacy.export.selection import ShownTable
from core.privacy.inventory import find_table, owned_by
from core.shared.clock import iso_z
from core.shared.errors import InvariantViolated
from core.shared.types import JsonValue

PAGE, ROOTS_AT_ONCE = 100, 20
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
    after: tuple[Any, ...] | None = None
    while True:
        page = select(*wanted).where(mine).order_by(*order).limit(PAGE)
        if after is not None:
            page = page.where(tuple_(*order) > tuple_(*after) if len(order) > 1 else order[0] > after[0])
        with runtime.database.read() as session:
            rows = session.execute(page).mappings().all()
        for row in rows:
            after = tuple(row[each.name] for each in order)
            place = "/".join(_part(row[key.name]) for key in keys)
            yield _record(runtime, account_id, shown, dict(row), place, redactions)
        if len(rows) < PAGE:
            return


def _record(
    runtime: Runtime, account_id: str, shown: ShownTable, row: dict[str, Any], place: str, redactions: Redactions
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
        plain = _plain(value)
        if each.sealed:
            where = f"{shown.name}.{each.name}:{place}"
            plain = None if value is None else open_value(runtime, account_id, where, value)
        shown_value = without_others(shown.name, each.name, plain, account_id)
        found[each.name] = shown_value if each.rules is None else redactions.passages.clean(shown_value)
    return found


LIVE = "run_events"
UNREADABLE = "[cannot be decrypted]"


def open_value(runtime: Runtime, account_id: str, where: str, sealed: bytes) -> JsonValue:
    """A sealed value: JSON where it is an object or a list, else text. One that does not open is said to be so."""
    try:
        text = runtime.vault.open(account_id, where, sealed).decode()
    except (InvariantViolated, UnicodeDecodeError):
        return UNREADABLE
    if text[:1] in ("{", "["):
        try:
            return cast(JsonValue, json.loads(text))
        except ValueError:
            return text
    return text


def _part(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)


def _plain(value: object) -> JsonValue:
    if isinstance(value, datetime):
        return iso_z(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


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
