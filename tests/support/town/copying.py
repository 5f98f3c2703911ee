"""Many rows of a table by one statement: each column an expression over a row's number, in either database's words.

`n.v` is the number; `p` the person that it falls to: a row of `town`, by rank. Times are milliseconds since 1970.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from core.platform.runtime import Runtime

AT_ONCE = 50_000
"""Rows in one transaction: the write-ahead log of SQLite is as long as the longest."""
_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(v) AS (SELECT :first UNION ALL SELECT v + 1 FROM n WHERE v < :last)",
    "postgresql": "WITH n AS (SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS v)",
}
_MOMENT = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', ({0}) / 1000.0, 'unixepoch')",
    "postgresql": "to_timestamp(({0}) / 1000.0)",
}
_ID = {
    "sqlite": "printf('%08x-%04x-7{1:03x}-8000-%012x', ({0}) >> 16, ({0}) & 65535, n.v)",
    "postgresql": "lpad(to_hex(({0}) >> 16), 8, '0') || '-' || lpad(to_hex(({0}) & 65535), 4, '0') || '-7{1:03x}-8000-'"
    " || lpad(to_hex(n.v), 12, '0')",
}
_BYTES = {"sqlite": "CAST({0} AS BLOB)", "postgresql": "convert_to({0}, 'UTF8')"}
_TEXT = {"sqlite": "CAST({0} AS TEXT)", "postgresql": "CAST({0} AS text)"}


class Words:
    """How one database says a moment, an id that sorts by a moment, and bytes."""

    def __init__(self, runtime: Runtime) -> None:
        self._dialect = "sqlite" if runtime.database.is_sqlite else "postgresql"

    def moment(self, ms: str) -> str:
        """A time."""
        return _MOMENT[self._dialect].format(ms)

    def id(self, ms: str, kind: int = 0) -> str:
        """An id that sorts by a time; `kind` tells those of one number apart."""
        return _ID[self._dialect].format(ms, kind)

    def bytes(self, words: str) -> str:
        """A text as bytes."""
        return _BYTES[self._dialect].format(words)

    def text(self, value: str) -> str:
        """A number as text."""
        return _TEXT[self._dialect].format(value)


def one_of(words: Mapping[str, int] | tuple[str, ...], by: str) -> str:
    """One of some words; those with a share come so often in a hundred, the rest goes to the last."""
    if not isinstance(words, Mapping):
        whens = " ".join(f"WHEN {at} THEN {_said(word)}" for at, word in enumerate(words))
        return f"CASE ({by}) % {len(words)} {whens} END"
    reached, whens = 0, ""
    for word, share in list(words.items())[:-1]:
        reached += share
        whens += f"WHEN ({by}) % 100 < {reached} THEN {_said(word)} "
    return f"CASE {whens}ELSE {_said(list(words)[-1])} END"


def _said(word: str) -> str:
    return word if word == "NULL" else f"'{word}'"


def write_rows(
    runtime: Runtime,
    table: str,
    number: int,
    columns: Mapping[str, str],
    *,
    person: str | None = None,
    where: str = "1 = 1",
    tell: Callable[[str], None] | None = None,
    **values: Any,
) -> None:
    """So many rows. `person`: the rank of whose each is. `values` are bound where an expression names them."""
    for first in range(1, number + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, number)
        with runtime.database.write() as session:
            _write(session.connection(), table, columns, person, where, {**values, "first": first, "last": last})
        if tell is not None and last % (4 * AT_ONCE) == 0:
            tell(f"{last:,} of {number:,} {table}")


def _write(
    connection: Connection, table: str, columns: Mapping[str, str], person: str | None, where: str, values: Any
) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    join = f" JOIN town p ON p.rank = ({person})" if person is not None else ""
    rows = f"SELECT {', '.join(columns.values())} FROM n{join} WHERE {where}"
    numbers = _NUMBERS[connection.dialect.name]
    if connection.dialect.name == "sqlite":  # ids of people are not in the order of rows: their indexes fit into this
        connection.exec_driver_sql("PRAGMA cache_size=-600000")
    connection.execute(text(f"INSERT INTO {table} ({names}) {numbers} {rows}"), values)
