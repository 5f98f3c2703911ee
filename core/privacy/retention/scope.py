"""Which rows a legal hold is on: all of a person, the tables that a category is in, or one row with what hangs on it.

Retention asks whether a row may go; an erasure asks for the rows that it has to keep. Both read it here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    and_,
    false,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from core.platform.dependents import dependents
from core.privacy.holdings import persons_rows
from core.privacy.inventory import ACCOUNTS, TableEntry, find_entry, find_table, tables
from core.privacy.retention.models import LegalHoldRow

NOT_HELD = {
    "account_links": "links that open a door",
    "erasures": "what an erasure under way looks for",
    "held_rows": "what holds kept already",
    "idempotency_keys": "keyed hashes of a day",
    "legal_holds": "holds are kept as proof anyway",
    "privacy_passages": "marks on words about others",
    "privacy_redactions": "marks on words of others",
    "privacy_request_links": "links that open a door",
    "privacy_request_steps": "counts, kept as proof anyway",
    "recovery_codes": "hashes that open a door",
    "sign_up_codes": "hashes that open a door",
}
"""Tables that no hold is on, and why."""
ENDS_WITH_US = ("billing_checkouts", "discount_redemptions")
"""Tables that the law keeps, with rows that an erasure deletes: what was begun and never paid is no book."""
STAYS = ("retain-until(law)", "reassign-to-tombstone")


@dataclass(frozen=True, slots=True)
class HoldScope:
    """What a hold that counts is on, under which law, and until when."""

    id: str
    category: str | None
    table: str | None
    row_id: str | None
    law: str
    until: datetime


def scopes_of(session: Session, account_id: str, conditions: Iterable[ColumnElement[bool]]) -> tuple[HoldScope, ...]:
    """A person's holds that meet conditions, the oldest first."""
    columns = (
        LegalHoldRow.id, LegalHoldRow.category, LegalHoldRow.table_name, LegalHoldRow.row_id, LegalHoldRow.law,
        LegalHoldRow.until,
    )  # fmt: skip
    mine = select(*columns).where(LegalHoldRow.account_id == account_id, *conditions).order_by(LegalHoldRow.id)
    return tuple(HoldScope(*row) for row in session.execute(mine).tuples())


def within(category: str, held: str) -> bool:
    """Whether a category is the one that is held, or below it."""
    return category == held or category.startswith(f"{held}.")


def holdable(entry: TableEntry) -> bool:
    """Whether a hold can be on rows of a table."""
    return (entry.owner is not None or entry.address is not None) and entry.name not in NOT_HELD


def rows_can_be_named(entry: TableEntry) -> bool:
    """Whether single rows of a table can be held: they are a person's, and have an id that can be said."""
    hashed = any(isinstance(key.type, LargeBinary) for key in find_table(entry.name).primary_key.columns)
    return holdable(entry) and entry.owner is not None and not hashed


def nameable_tables() -> tuple[str, ...]:
    """The tables that single rows can be held of."""
    return tuple(entry.name for entry in tables() if rows_can_be_named(entry))


def held_parts(
    hold: HoldScope, account_id: str, address_index: bytes
) -> Iterator[tuple[TableEntry, ColumnElement[bool]]]:
    """The tables an erasure has to keep something of for a hold, with the condition for its rows.

    A row that is named is kept whatever keeps it besides. Of a category, or of all, what the law keeps as it is anyway
    needs no keeping (GDPR Art. 17(3)(b)): only what an erasure would delete, or make unreadable.
    """
    if hold.table is not None and hold.row_id is not None:
        yield from _named_parts(hold.table, hold.row_id, account_id)
        return
    for entry in tables():
        is_on = hold.category is None or any(within(field.rules.category, hold.category) for field in entry.fields)
        if holdable(entry) and is_on and _loses_something(entry):
            condition = persons_rows(entry, account_id, address_index)
            if condition is not None:
                yield entry, condition


def row_named(table: Table, row_id: str) -> ColumnElement[bool]:
    """The condition for the row of an id: of a key of several parts `a/b`, or its first alone for all that begin so."""
    keys = tuple(table.primary_key.columns)
    parts = row_id.split("/", len(keys) - 1)
    return and_(*(_equals(key, part) for key, part in zip(keys, parts, strict=False)))


class Aged(Protocol):
    """A store whose rows go by their age."""

    @property
    def root(self) -> Table: ...

    @property
    def owner(self) -> Column[str]: ...

    @property
    def key(self) -> Column[str]: ...

    @property
    def entries(self) -> tuple[TableEntry, ...]: ...


def rows_free(store: Aged, counts: tuple[ColumnElement[bool], ...]) -> tuple[ColumnElement[bool], ...]:
    """The conditions for rows of a store that no hold is on: not on all of their person, nor on a category in them or
    in what hangs on them, nor on the row, nor on one that hangs on it. `counts`: which holds count."""
    names = {name for entry in store.entries for field in entry.fields for name in _above(field.rules.category)}
    whole = LegalHoldRow.category.is_(None) & LegalHoldRow.table_name.is_(None)
    people = select(LegalHoldRow.account_id).where(*counts, or_(whole, LegalHoldRow.category.in_(sorted(names))))
    free = [store.owner.not_in(people), store.key.not_in(_named_in(store.root.name, counts))]
    named = (each for each in dependents(store.root.name) if rows_can_be_named(find_entry(each.table.name)))
    free += [store.key.not_in(each.roots_of(_named_in(each.table.name, counts))) for each in named]
    return tuple(free)


def _named_in(table: str, counts: tuple[ColumnElement[bool], ...]) -> Select[str]:
    """The ids of rows of a table that are held; of a key of several parts the first, which is what it hangs on."""
    named = func.coalesce(LegalHoldRow.row_id, "")
    first = func.substr(named, 1, 36) if len(find_table(table).primary_key.columns) > 1 else named
    return select(first).where(*counts, LegalHoldRow.table_name == table)


def _named_parts(name: str, row_id: str, account_id: str) -> Iterator[tuple[TableEntry, ColumnElement[bool]]]:
    entry, table = find_entry(name), find_table(name)
    mine = persons_rows(entry, account_id, b"")
    if mine is None or not holdable(entry):
        return
    yield entry, mine & row_named(table, row_id)
    for each in dependents(name) if name != ACCOUNTS else ():
        below = find_entry(each.table.name)
        if holdable(below):
            first = next(iter(table.primary_key.columns))
            roots = select(first).where(mine, row_named(table, row_id))
            yield below, each.among(roots)


def _loses_something(entry: TableEntry) -> bool:
    """Whether an erasure takes anything of a table: its rows, or what is sealed in them."""
    if not entry.kept_by_law or entry.name in ENDS_WITH_US:
        return True
    return any(field.rules.erase not in STAYS for field in entry.fields)


def _above(category: str) -> Iterator[str]:
    """A category and those it is below: `user.contact.email`, `user.contact`, `user`."""
    parts = category.split(".")
    for end in range(len(parts), 0, -1):
        yield ".".join(parts[:end])


def _equals(key: Column[object], part: str) -> ColumnElement[bool]:
    if isinstance(key.type, String):
        return key == part
    if isinstance(key.type, Integer) and part.isascii() and part.isdigit() and len(part) < 19:
        return key == int(part)
    return false()
