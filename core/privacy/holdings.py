"""What is held about a person, by category: how many records, where, why, and until when. Read from the inventory.

One statement counts the rows of every table, then one a table that has some counts what is in their columns; each goes
through the owner's index. An empty column holds nothing, and is not shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Integer, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.platform.annotations import Personal
from core.platform.runtime import Runtime
from core.privacy.inventory import TableEntry, find_table, owned_by, tables
from core.privacy.stores import STORES
from core.privacy.wording import category_title
from core.privacy.words import until_words


@dataclass(frozen=True, slots=True)
class Holding:
    """A category of data kept for the same time. `labels`: what exactly; `records`: rows of the tables it is in."""

    category: str
    title: str
    labels: tuple[str, ...]
    purposes: tuple[str, ...]
    tables: tuple[str, ...]
    records: int
    until: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A place that is no table: files, a queue, or somebody who received data."""

    title: str
    where: str
    labels: tuple[str, ...]
    is_outside: bool


def holdings(runtime: Runtime, account: Account) -> tuple[Holding, ...]:
    """What is held about a person in the database, what there is most of first; nothing of which there is none."""
    with runtime.database.read() as session:
        counts = count_rows(runtime, session, account)
        filled = {
            entry.name: _count_columns(runtime, session, account, entry) for entry in tables() if entry.name in counts
        }
    groups: dict[tuple[str, str], list[tuple[str, Personal, int]]] = {}
    for entry in tables():
        for field, number in zip(entry.fields, filled.get(entry.name, ()), strict=False):
            key = (field.rules.category, until_words(field.rules.retention, account.plan))
            if number:
                groups.setdefault(key, []).append((entry.name, field.rules, number))
    found = [
        Holding(
            category,
            category_title(category),
            tuple(dict.fromkeys(rules.label for _, rules, _ in held)),
            tuple(dict.fromkeys(rules.purpose for _, rules, _ in held)),
            places := tuple(dict.fromkeys(name for name, _, _ in held)),
            sum(max(number for name, _, number in held if name == place) for place in places),
            until,
        )
        for (category, until), held in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: (each.title, each.until)))


def elsewhere(runtime: Runtime) -> tuple[Elsewhere, ...]:
    """Places that are no tables, of those that this installation uses."""
    unused = {
        "mail_folder": bool(runtime.settings.smtp_url),
        "mail_server": not runtime.settings.smtp_url,
        "stripe": runtime.payments is None,
        "queue": runtime.database.is_sqlite,
    }
    return tuple(
        Elsewhere(store.title, store.where, tuple(field.label for field in store.fields), store.outside)
        for store in STORES
        if store.fields and not unused.get(store.name)
    )


def count_rows(runtime: Runtime, session: Session, account: Account) -> Mapping[str, int]:
    """A person's rows by table, in one statement; tables without any are left out."""
    index = _address_index(runtime, account)
    parts = [
        select(literal(entry.name).label("name"), func.count().cast(Integer).label("rows"))
        .select_from(find_table(entry.name))
        .where(condition)
        for entry in tables()
        if (condition := persons_rows(entry, account.id, index)) is not None
    ]
    rows = session.execute(union_all(*parts)).tuples()
    return {name: number for name, number in rows if number}


def _count_columns(runtime: Runtime, session: Session, account: Account, entry: TableEntry) -> tuple[int, ...]:
    """How many of a person's rows have something in each of a table's personal columns, in their order."""
    if not entry.fields:
        return ()
    table = find_table(entry.name)
    condition = persons_rows(entry, account.id, _address_index(runtime, account))
    assert condition is not None
    counted = select(*(func.count(table.c[field.column]) for field in entry.fields)).where(condition)
    return tuple(session.execute(counted).one())


def _address_index(runtime: Runtime, account: Account) -> bytes:
    return runtime.vault.blind_index("email", account.email) if account.email else b""


def persons_rows(entry: TableEntry, account_id: str, address_index: bytes) -> ColumnElement[bool] | None:
    """The condition for a person's rows of a table, by owner and by address; None for one that is nobody's."""
    conditions: list[ColumnElement[bool]] = []
    if entry.owner is not None:
        conditions.append(owned_by(entry, account_id))
    if entry.address is not None and address_index:
        conditions.append(find_table(entry.name).c[entry.address] == address_index)
    return or_(*conditions) if conditions else None
