"""Rows of a person as plain values: read a page at a time, opened, and written as JSON can hold them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Table, select, tuple_

from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.errors import InvariantViolated
from core.shared.types import JsonValue

PAGE = 100
UNREADABLE = "[cannot be decrypted]"


def pages(
    runtime: Runtime, wanted: Sequence[Column[Any]], mine: ColumnElement[bool], order: Sequence[Column[Any]]
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Rows in an order that is among the wanted columns, some at a time, each page in a transaction of its own."""
    after: tuple[Any, ...] | None = None
    while True:
        page = select(*wanted).where(mine).order_by(*order).limit(PAGE)
        if after is not None:
            page = page.where(tuple_(*order) > tuple_(*after) if len(order) > 1 else order[0] > after[0])
        with runtime.database.connect() as connection:
            rows = cast(Sequence[Mapping[str, Any]], connection.execute(page).mappings().all())
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after = tuple(rows[-1][each.name] for each in order)


def row_key(table: Table, row: Mapping[str, Any]) -> str:
    """Which row it is: its key as text, as the associated data of what is sealed in it names it."""
    keys = (row[key.name] for key in table.primary_key.columns)
    return "/".join(key.hex() if isinstance(key, bytes) else str(key) for key in keys)


def open_value(runtime: Runtime, owners: Sequence[str], where: str, sealed: bytes) -> JsonValue:
    """A sealed value of one of these owners: JSON where it is an object or a list, else text.

    One that does not open is said to be so.
    """
    for owner in owners:
        try:
            text = runtime.vault.open(owner, where, sealed).decode()
        except (InvariantViolated, UnicodeDecodeError):
            continue
        if text[:1] in ("{", "["):
            try:
                return cast(JsonValue, json.loads(text))
            except ValueError:
                return text
        return text
    return UNREADABLE


def plain(value: object) -> JsonValue:
    """A value of a column as JSON can hold it."""
    if isinstance(value, datetime):
        return iso_z(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
