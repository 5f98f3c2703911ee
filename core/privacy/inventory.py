"""The inventory: every store of this installation, what it holds about people, and how its rows belong to a person.

Nothing here is kept by hand where it can be read: columns and their rules come from the annotations of the tables, the
way from a row to its person from owner columns and foreign keys. Stores that are no tables are declared in `stores`.
Erasure, export, retention, the scan and the documents for people and authorities all read this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, ColumnElement, Table, select

from core.platform.annotations import Personal
from core.platform.database import Base, undeclared_columns
from core.platform.registry import load_models
from core.privacy.stores import STORES
from core.shared.errors import InvariantViolated

OWNER_COLUMNS = ("owner_id", "account_id")
ADDRESS_COLUMN = "email_index"
ACCOUNTS = "accounts"

NOBODY = {
    "analytics_batches": "events about nobody by name: the hour, words of a list, coarse numbers, and an id of a day",
    "analytics_files": "names and sizes of files of such events",
    "analytics_turns": "which process writes such files, under a random name",
    "audit_head": "where the audit log ends",
    "audit_log": "acts under opaque ids: kept, and about nobody once the account is gone",
    "billing_events": "messages of Stripe under its own opaque ids, kept with the books",
    "billing_subjects": "opaque ids at Stripe with two counters",
    "discount_codes": "what is offered, to nobody by name",
    "egress_totals": "what left, added up: nothing that fewer than five people share",
    "erasure_certificates": "what was erased, in counts, under ids that are nobody's",
    "hold_copies": "what a legal hold kept of an erased account, in counts",
    "job_looks": "times of jobs",
    "job_runs": "times and counts of jobs",
    "policy_drafts": "texts of the installation that are being written",
    "policy_versions": "public texts of the installation",
    "price_books": "prices",
    "promise_alarms": "which promises are broken, and since when",
    "promise_checks": "what checks of the promises found, in numbers",
    "retention_sweeps": "times and counts of what was deleted",
    "rate_windows": "counts under keyed hashes that end by themselves",
    "setup_tokens": "keyed hash of a link that makes the first account",
    "vendor_turns": "turns of calls to vendors",
}
"""Tables whose rows belong to nobody, and why."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column that holds something about a person, with the rules it was declared with."""

    table: str
    column: str
    rules: Personal


@dataclass(frozen=True, slots=True)
class OwnerLink:
    """How a row belongs to a person: by an id in `column`, of the person or of a row of `parent` that is theirs."""

    column: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table. `address`: the column with the keyed hash of an address, where rows are found by that too."""

    name: str
    owner: OwnerLink | None
    address: str | None
    fields: tuple[Field, ...]

    @property
    def kept_by_law(self) -> bool:
        """Whether an erasure leaves its rows, under an id that is then nobody's."""
        if any(field.rules.erase in ("reassign-to-tombstone", "retain-until(law)") for field in self.fields):
            return True
        return self.owner is not None and self.owner.parent is not None and find_entry(self.owner.parent).kept_by_law


@cache
def tables() -> tuple[TableEntry, ...]:
    """Every table, parents before what refers to them."""
    load_models()
    found: dict[str, TableEntry] = {}
    for table in Base.metadata.sorted_tables:
        found[table.name] = _entry(table, found)
    return tuple(found.values())


def find_entry(name: str) -> TableEntry:
    """The entry of a table. Raises StopIteration for a name that is none."""
    return next(entry for entry in tables() if entry.name == name)


def find_table(name: str) -> Table:
    """The SQLAlchemy table of an entry."""
    load_models()
    return Base.metadata.tables[name]


def fields() -> Iterator[Field]:
    """Every personal column of every table."""
    for entry in tables():
        yield from entry.fields


def declared() -> Iterator[tuple[str, Personal]]:
    """What every column and every other store declares to hold about a person, with its table; "" where it is none."""
    yield from ((field.table, field.rules) for field in fields())
    yield from (("", rules) for store in STORES for rules in store.fields)


def unowned() -> tuple[str, ...]:
    """Tables that neither lead to a person nor are declared to be nobody's: each is a mistake."""
    return tuple(
        entry.name for entry in tables() if entry.owner is None and entry.address is None and entry.name not in NOBODY
    )


def undeclared() -> tuple[str, ...]:
    """`table.column` of columns that are not annotated: each is a mistake."""
    load_models()
    return tuple(undeclared_columns(Base.metadata))


def check_inventory() -> None:
    """Refuse to start with a table or a column that nobody declared. Raises InvariantViolated."""
    problems = [f"{name} without a privacy annotation" for name in undeclared()]
    problems += [f"{name} belongs to nobody, and does not say why" for name in unowned()]
    if problems:
        raise InvariantViolated("UNDECLARED", f"The inventory has gaps: {'; '.join(problems)}.")


def owned_by(entry: TableEntry, account_id: str) -> ColumnElement[bool]:
    """The condition for a person's rows of a table that has an owner link."""
    if entry.owner is None:
        raise ValueError(f"rows of {entry.name} belong to nobody")
    column: Column[str] = find_table(entry.name).c[entry.owner.column]
    if entry.owner.parent is None:
        return column == account_id
    parent = find_entry(entry.owner.parent)
    key = next(iter(find_table(parent.name).primary_key.columns))
    return column.in_(select(key).where(owned_by(parent, account_id)))


def _entry(table: Table, before: dict[str, TableEntry]) -> TableEntry:
    fields = tuple(
        Field(table.name, column.name, column.info["privacy"])
        for column in table.columns
        if isinstance(column.info.get("privacy"), Personal)
    )
    address = ADDRESS_COLUMN if ADDRESS_COLUMN in table.c and table.name != ACCOUNTS else None
    return TableEntry(table.name, _owner(table, before), address, fields)


def _owner(table: Table, before: dict[str, TableEntry]) -> OwnerLink | None:
    if table.name == ACCOUNTS:
        return OwnerLink("id")
    for name in OWNER_COLUMNS:
        if name in table.c:
            return OwnerLink(name)
    for key in table.foreign_keys:
        if key.column.table.name == ACCOUNTS:
            return OwnerLink(key.parent.name)
    for key in table.foreign_keys:
        parent = before.get(key.column.table.name)
        if parent is not None and parent.owner is not None:
            return OwnerLink(key.parent.name, parent.name)
    return None
