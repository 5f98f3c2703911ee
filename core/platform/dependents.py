"""What hangs on a row: the tables whose rows refer to it, and cannot be there without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, ColumnElement, Table, select

from core.platform.database import Base
from core.platform.registry import load_models


@dataclass(frozen=True)
class Dependent:
    """A table whose rows refer through `column` to `parent`: the root itself, or a dependent of it."""

    table: Table
    column: Column[str]
    parent: "Dependent | None"

    def under(self, key: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition for its rows that belong to the row of the root with this key, for a correlated query."""
        if self.parent is None:
            return self.column == key
        own = next(iter(self.parent.table.primary_key.columns))
        return self.column.in_(select(own).where(self.parent.under(key)))

    def of(self, ids: Sequence[str]) -> ColumnElement[bool]:
        """The condition for its rows that belong to rows of the root."""
        if self.parent is None:
            return self.column.in_(ids)
        key = next(iter(self.parent.table.primary_key.columns))
        return self.column.in_(select(key).where(self.parent.of(ids)))


@cache
def dependents(root: str) -> tuple[Dependent, ...]:
    """Every table that hangs on a table, in the order its rows are deleted in: children before their parents."""
    load_models()
    found: dict[str, Dependent] = {}
    for table in Base.metadata.sorted_tables:
        if table.name == root:
            continue
        links = [(key.parent, key.column.table.name) for key in table.foreign_keys if not key.parent.nullable]
        direct = next((column for column, name in links if name == root), None)
        if direct is not None:
            found[table.name] = Dependent(table, direct, None)
            continue
        through = next(((column, found[name]) for column, name in links if name in found), None)
        if through is not None:
            found[table.name] = Dependent(table, *through)
    return tuple(reversed(found.values()))
