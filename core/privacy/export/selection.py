"""Which columns a copy has, read from the annotations: what is not declared for it is not in it, by construction.

An access copy (GDPR Art. 15) has every column that is not declared `never`. A portability copy (Art. 20) has those of
them that the person provided or that were observed, and that are held by contract or consent. Both have the opaque ids
that rows refer to one another by: without them nobody could tell which step belongs to which run.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from sqlalchemy import Column, LargeBinary, Table

from core.platform.annotations import Personal
from core.privacy.inventory import TableEntry, find_table, tables

Copy = Literal["access", "portability"]
COPIES: tuple[Copy, ...] = ("access", "portability")
REFERENCES = frozenset({"pipeline_id", "run_id"})
"""Ids of other rows that are no foreign keys."""


@dataclass(frozen=True)
class ShownColumn:
    """A column of a copy; `rules` is None for an id that rows refer to one another by. `sealed`: to be decrypted."""

    column: Column[object]
    rules: Personal | None

    @property
    def name(self) -> str:
        """Its name in the files."""
        found: str = self.column.name
        return found

    @property
    def sealed(self) -> bool:
        """Whether its value is sealed with the person's key."""
        return isinstance(self.column.type, LargeBinary)


@dataclass(frozen=True)
class ShownTable:
    """A table of a copy with the columns that are in it, ids first."""

    entry: TableEntry
    table: Table
    columns: tuple[ShownColumn, ...]

    @property
    def name(self) -> str:
        """Its name in the files."""
        return self.entry.name


@cache
def shown_tables(copy: Copy) -> tuple[ShownTable, ...]:
    """Every table with something to show, in the order of the inventory."""
    found = []
    for entry in tables():
        if entry.owner is None:
            continue
        table = find_table(entry.name)
        shown = [ShownColumn(table.c[f.column], f.rules) for f in entry.fields if belongs(f.rules, copy)]
        if shown:
            ids = [ShownColumn(column, None) for column in table.c if _is_reference(column)]
            found.append(ShownTable(entry, table, (*ids, *shown)))
    return tuple(found)


def belongs(rules: Personal, copy: Copy) -> bool:
    """Whether a column with these rules is in a copy."""
    if rules.export == "never":
        return False
    if copy == "access":
        return True
    return rules.origin in ("provided", "observed") and rules.legal_basis in ("contract", "consent")


def _is_reference(column: Column[object]) -> bool:
    """An opaque id, never a hash: those are binary."""
    if isinstance(column.info.get("privacy"), Personal) or isinstance(column.type, LargeBinary):
        return False
    return column.primary_key or bool(column.foreign_keys) or column.name in REFERENCES
