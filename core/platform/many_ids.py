"""Many ids in one parameter, and many rows in one answer.

To bind a thousand parameters costs as much as what is done with them. And the driver of SQLite gives the interpreter
away at each row that it fetches: a thread that reads a thousand rows beside a busy one waits a thousand times for it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, all_, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY


def among(column: ColumnElement[Any], ids: str | Sequence[str], *, is_sqlite: bool) -> ColumnElement[bool]:
    """The condition that a column is among ids, or among those that a parameter of a name brings."""
    return column.in_(_values(ids)) if is_sqlite else column == any_(_array(ids))


def not_among(column: ColumnElement[Any], ids: str | Sequence[str], *, is_sqlite: bool) -> ColumnElement[bool]:
    """The condition that it is not."""
    return column.not_in(_values(ids)) if is_sqlite else column != all_(_array(ids))


def in_one(ids: Collection[str], *, is_sqlite: bool) -> str | list[str]:
    """Ids as the value of such a parameter."""
    return json.dumps([*ids]) if is_sqlite else [*ids]


def fetch_rows(connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None) -> Sequence[Any]:
    """The rows of a query, as sequences. On SQLite they come as one: of text and numbers, moments as their text."""
    if connection.dialect.name != "sqlite":
        return connection.execute(query, values or {}).all()
    rows = query.subquery()
    found = connection.scalar(select(func.json_group_array(func.json_array(*rows.c))), values or {})
    return list(json.loads(found or "[]"))


def _values(ids: str | Sequence[str]) -> Select[Any]:
    if isinstance(ids, str):
        given = bindparam(ids, type_=Text())
    else:
        given = bindparam(None, in_one(ids, is_sqlite=True), type_=Text())
    return select(func.json_each(given).table_valued("value").c.value)


def _array(ids: str | Sequence[str]) -> ColumnElement[Any]:
    return bindparam(ids, type_=ARRAY(Text())) if isinstance(ids, str) else bindparam(None, [*ids], type_=ARRAY(Text()))
