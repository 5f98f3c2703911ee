"""What hangs on a row: the tables whose rows refer to it, which cannot be there without it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, ColumnElement, Select, Table, select

from core.platform.database import Base
from core.platform.registry import load_models


@dataclass(frozen=True)
class Dependent:
    """A table whose rows refer through `column` to `parent`: the root itself, or a dependent of it."""

    table: Table
    column: Column[str]
    parent: "Dependent | None"

    @property
    def root_table(self) -> str:
        """The table between it and the root that refers to the root itself; its own name where there is none."""
        return self.table.name if self.parent is None else self.parent.root_table

    def root_of(self, row_id: str) -> Select[str]:
        """The key of the root that one of its rows belongs to."""
        key = next(iter(self.table.primary_key.columns))
        found = select(self.column).where(key == row_id)
        return found if self.parent is None else self.parent._root_of_any(found)

    def roots_of(self, ids: Select[str]) -> Select[str]:
        """The same for rows whose ids a query finds."""
        key = next(iter(self.table.primary_key.columns))
        found = select(self.column).where(key.in_(ids))
        return found if self.parent is None else self.parent._root_of_any(found)

    def _root_of_any(self, rows: Select[str]) -> Select[str]:
        key = next(iter(self.table.primary_key.columns))
        found = select(self.column).where(key.in_(rows))
        return found if self.parent is None else self.parent._root_of_any(found)

    def of(self, ids: Sequence[str]) -> ColumnElement[bool]:
        """The condition for its rows that belong to rows of the root."""
        return self.through(lambda column: column.in_(ids))

    def among(self, roots: Select[str]) -> ColumnElement[bool]:
        """The same for the rows of the root that a query finds."""
        return self.through(lambda column: column.in_(roots))

    def through(self, meets: Callable[[Column[str]], ColumnElement[bool]]) -> ColumnElement[bool]:
        """The condition for its rows whose column that refers to the root meets a condition."""
        if self.parent is None:
            return meets(self.column)
        key = next(iter(self.parent.table.primary_key.columns))
        return self.column.in_(select(key).where(self.parent.through(meets)))


@cache
def dependents(root: str) -> tuple[Dependent, ...]:
    """Every table that hangs on a table, in the order its rows are deleted in: children before their parents."""
    load_models()
    found: dict[str, Dependent] = {}
    for table in Base.metadata.sorted_tables:
        if table.name == root:
            continue
        links = [(key.parent, key.column.table.name) for key in table.foreign_keys]
        direct = next((column for column, name in links if name == root), None)
        if direct is not None:
            found[table.name] = Dependent(table, direct, None)
            continue
        through = next(((column, found[name]) for column, name in links if name in found), None)
        if through is not None:
            found[table.name] = Dependent(table, *through)
    return tuple(reversed(found.values()))
