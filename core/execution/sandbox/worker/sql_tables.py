"""The table that a JSON value is: its columns, their types, and its rows as lines of JSON.

A list of objects is a row each, a list of other values a column `value`, an object one row, any other value
one row of a column `value`, null an empty table. Types are those of JSON: texts stay texts, also those that
look like a date (`d::DATE` makes them one); whole numbers are BIGINT, beyond 64 bits HUGEINT or DOUBLE, mixed
with fractions DOUBLE; what holds values of several kinds is JSON. DuckDB tells columns apart without regard
to case, so of two that differ in nothing else the second gets a number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

VALUE = "value"
MAX_COLUMNS = 2_000
MAX_NESTING = 20

NOTHING = "NULL"
TEXT = "VARCHAR"
ANY = "JSON"
WHOLE = ("BIGINT", "HUGEINT")
NUMBERS = (*WHOLE, "DOUBLE")

Type = str | tuple[str, Any]
"""A plain type's name, ("list", Type) or ("struct", {name: Type})."""


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` by name with their SQL types, and the rows in their order."""

    columns: dict[str, str]
    rows: list[dict[str, Any]]

    def lines(self) -> Iterator[bytes]:
        """The rows as lines of JSON."""
        for row in self.rows:
            yield json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def table_of(value: Any) -> Table:
    """The table a step's output is."""
    rows = _rows(value)
    names: dict[str, str] = {}
    types: dict[str, Type] = {}
    taken: set[str] = set()
    for row in rows:
        for key, item in row.items():
            if key not in names:
                names[key] = _free_name(key, taken)
            name = names[key]
            types[name] = merged(types.get(name, NOTHING), type_of(item))
    if not types or len(types) > MAX_COLUMNS:
        return Table({VALUE: ANY}, [{VALUE: row} for row in rows]) if rows else Table({VALUE: TEXT}, [])
    if any(key != name for key, name in names.items()):
        rows = [{names[key]: item for key, item in row.items()} for row in rows]
    return Table({name: sql_type(kind) for name, kind in types.items()}, rows)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def type_of(value: Any, depth: int = 0) -> Type:
    """The type of one value."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, str):
        return TEXT
    if isinstance(value, float):
        return "DOUBLE"
    if isinstance(value, int):
        size = abs(value)
        return "BIGINT" if size < 2**63 else "HUGEINT" if size < 2**127 else "DOUBLE"
    if depth >= MAX_NESTING:
        return ANY
    if isinstance(value, list):
        return ("list", _merged_all(type_of(item, depth + 1) for item in value))
    if not value or "" in value or len({key.casefold() for key in value}) < len(value):
        return ANY
    return ("struct", {key: type_of(item, depth + 1) for key, item in value.items()})


def merged(one: Type, other: Type) -> Type:
    """The type that holds the values of both."""
    if one == other or other == NOTHING:
        return one
    if one == NOTHING:
        return other
    if isinstance(one, str) or isinstance(other, str):
        if isinstance(one, str) and isinstance(other, str) and one in NUMBERS and other in NUMBERS:
            return "HUGEINT" if one in WHOLE and other in WHOLE else "DOUBLE"
        return ANY
    if one[0] != other[0]:
        return ANY
    if one[0] == "list":
        return ("list", merged(one[1], other[1]))
    fields: dict[str, Type] = dict(one[1])
    for key, kind in other[1].items():
        fields[key] = merged(fields.get(key, NOTHING), kind)
    if len({key.casefold() for key in fields}) < len(fields) or len(fields) > MAX_COLUMNS:
        return ANY
    return ("struct", fields)


def sql_type(kind: Type) -> str:
    """The type as SQL writes it. What was always null is a text."""
    if isinstance(kind, str):
        return TEXT if kind == NOTHING else kind
    if kind[0] == "list":
        return f"{sql_type(kind[1])}[]"
    return f"STRUCT({', '.join(f'{quoted(key)} {sql_type(item)}' for key, item in kind[1].items())})"


def _merged_all(kinds: Iterable[Type]) -> Type:
    total: Type = NOTHING
    for kind in kinds:
        total = merged(total, kind)
        if total == ANY:
            break
    return total


def _rows(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        return [{VALUE: value}]
    if value and all(isinstance(item, dict) for item in value):
        return value
    return [{VALUE: item} for item in value]


def _free_name(key: str, taken: set[str]) -> str:
    name, number = key or "_", 1
    while name.casefold() in taken:
        name = f"{key or '_'}_{number}"
        number += 1
    taken.add(name.casefold())
    return name
