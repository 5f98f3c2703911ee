"""Books are kept for ten years by law (Code de commerce L123-22), and go whole when nobody's account needs them.

While a person has their account its books are the account itself: the balance is the sum of all movements, each hash
covers the one before. So what goes is the books of somebody who left, as a whole, ten years after the end of the year
of their newest row. Until then they lie under an id that is nobody's.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Table, delete, exists, func, select, tuple_
from sqlalchemy.orm import Session

from core.platform.dependents import dependents
from core.platform.pace import Pace
from core.platform.runtime import Runtime
from core.privacy.inventory import TableEntry, find_table, tables
from core.privacy.retention.holds import BOOK, holds_of, lock_books
from core.privacy.retention.rules import LAW_YEARS

OWNERS = 500


def closed_before(now: datetime) -> datetime:
    """The end of the newest year whose books may go: a row of 2026 goes when 2036 is over."""
    return datetime(now.year - LAW_YEARS, 1, 1, tzinfo=UTC)


def delete_old_books(runtime: Runtime, now: datetime, *, pace: Pace) -> Mapping[str, int]:
    """Delete the books of people who left whose newest row is old enough; returns how many rows of each table."""
    counts: Counter[str] = Counter()
    after = ""
    while owners := _owners_that_left(runtime, after):
        for owner_id in owners:
            with runtime.database.read() as session:
                old = _newest(session, owner_id) < closed_before(now)
            if old:
                _delete_books(owner_id, now, counts, pace)
        after = owners[-1]
    return counts


def _books() -> tuple[TableEntry, ...]:
    return tuple(entry for entry in tables() if any(field.rules.retention == "law_10_years" for field in entry.fields))


def _owners_that_left(runtime: Runtime, after: str) -> tuple[str, ...]:
    book, accounts = find_table(BOOK), find_table("accounts")
    left = ~exists().where(accounts.c.id == book.c.owner_id)
    some = select(book.c.owner_id).where(book.c.owner_id > after, left).order_by(book.c.owner_id).limit(OWNERS)
    with runtime.database.read() as session:
        return tuple(session.scalars(some))


def _newest(session: Session, owner_id: str) -> datetime:
    """When the newest row of somebody's books was made."""
    found = [datetime(1970, 1, 1, tzinfo=UTC)]
    for entry in _books():
        table = find_table(entry.name)
        if "created_at" in table.c:
            newest = session.scalar(select(func.max(table.c.created_at)).where(_mine(table, entry, owner_id)))
            found += [newest] if newest is not None else []
    return max(found)


def _held(session: Session, owner_id: str, now: datetime) -> bool:
    """Whether a hold is on anything of somebody's books, which go whole: one is placed before this batch, or after."""
    lock_books(session, owner_id)
    holds = holds_of(session, owner_id, now)
    return any(holds.covers(entry) or holds.rows_of(entry.name) for entry in _books())


def _delete_books(owner_id: str, now: datetime, counts: Counter[str], pace: Pace) -> None:
    """Row by row in batches, children first, and the account's own row last: so a killed sweep finds it again."""

    def held(session: Session) -> bool:
        return _held(session, owner_id, now)

    order = sorted(_books(), key=lambda entry: entry.name == BOOK)
    for entry in order:
        table = find_table(entry.name)
        for each in dependents(entry.name):
            _delete_where(
                each.table,
                each.column.in_(select(_key(table)).where(_mine(table, entry, owner_id))),
                held,
                counts,
                pace,
            )
        _delete_where(table, _mine(table, entry, owner_id), held, counts, pace)


def _delete_where(
    table: Table, where: ColumnElement[bool], held: Callable[[Session], bool], counts: Counter[str], pace: Pace
) -> None:
    keys = tuple(table.primary_key.columns)
    while True:
        with pace.write() as session:
            some = (
                []
                if held(session)
                else [tuple(row) for row in session.execute(select(*keys).where(where).limit(pace.rows))]
            )
            if some:
                session.execute(delete(table).where(tuple_(*keys).in_(some)))
        if not some:
            return
        counts[table.name] += len(some)


def _key(table: Table) -> ColumnElement[str]:
    found: ColumnElement[str] = next(iter(table.primary_key.columns))
    return found


def _mine(table: Table, entry: TableEntry, owner_id: str) -> ColumnElement[bool]:
    assert entry.owner is not None
    condition: ColumnElement[bool] = table.c[entry.owner.column] == owner_id
    return condition
