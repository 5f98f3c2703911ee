"""Statements of the hot path: compiled once for a dialect, and run on the driver's own cursor.

Between a statement and its driver SQLAlchemy spends eight times what SQLite itself needs for a row. Where a statement
is run at every call of a model that counts. It is the caller's connection and transaction all the same; what is not
there is everything around it: events, results with types, errors of SQLAlchemy's own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, Any]
_Binder = Callable[[Values], Any]


class HotStatement:
    """A statement with named parameters, for a connection whose transaction has begun."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._known: dict[str, tuple[str, _Binder]] = {}

    def run(self, connection: Connection, values: Values) -> Any:
        """Run it; answers the driver's cursor, whose rows are tuples in the order of the columns."""
        text, bind = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        cursor.execute(text, bind(values))
        return cursor

    def run_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run it once for each row."""
        text, bind = self._for(connection.dialect)
        cursor = connection.connection.cursor()
        if len(rows) == 1:
            cursor.execute(text, bind(rows[0]))
        else:
            cursor.executemany(text, [bind(row) for row in rows])

    def _for(self, dialect: Dialect) -> tuple[str, _Binder]:
        known = self._known.get(dialect.name)
        if known is None:
            known = self._known[dialect.name] = _compiled(self._statement, dialect)
        return known


def _compiled(statement: ClauseElement, dialect: Dialect) -> tuple[str, _Binder]:
    made = statement.compile(dialect=dialect)
    assert isinstance(made, SQLCompiler)
    convert = {}
    written = {name: parameter.value for name, parameter in made.binds.items() if parameter.value is not None}
    for name, parameter in made.binds.items():
        converter = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        if converter is not None:
            convert[name] = converter
    names = made.positiontup

    def converted(values: Values) -> Values:
        return {**written, **values, **{name: each(values[name]) for name, each in convert.items()}}

    if names is None:
        return made.string, converted

    def in_order(values: Values) -> tuple[Any, ...]:
        ready = converted(values)
        return tuple(ready[name] for name in names)

    return made.string, in_order
