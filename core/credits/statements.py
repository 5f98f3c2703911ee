"""Statements: what there was at the beginning of a time, what was booked in it, and what was left at its end.

A time is a stretch of a person's movements, found by halving on their numbers: they are in the order of time, and so a
statement costs what it shows, however long the ledger is. Two statements that meet leave no movement out and tell
none twice.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.credits.booking import STATE, TRANSACTIONS
from core.credits.chain import START
from core.credits.movements import ENTRIES, NEWEST, movements, sums_of
from core.credits.price_books import book_rows
from core.credits.proof import FORMAT, link_content
from core.credits.spending import Spent
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.errors import InvalidInput
from core.shared.pages import Page

UNLIMITED = "unlimited:"
"""How the causes of grants begin that give an unlimited plan what it is about to use."""
TITLES = {
    "grant": "Granted",
    "purchase": "Bought",
    "settle": "Spent",
    "expire": "Ended with their month",
    "refund": "Refunded",
}
QUIET = ("hold", "release")
"""Kinds that only move credits between what is left and what is held."""
_mine = TRANSACTIONS.c.owner_id == bindparam("b_owner")
AT = select(TRANSACTIONS.c.created_at).where(_mine, TRANSACTIONS.c.number == bindparam("b_number"))
STANDING = select(TRANSACTIONS.c.balance_micros, TRANSACTIONS.c.hash).where(
    _mine, TRANSACTIONS.c.number == bindparam("b_number")
)
_range = TRANSACTIONS.c.number.between(bindparam("b_first"), bindparam("b_last"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A person's movements from number `first` to number `last`; empty where `last` is below `first`."""

    owner_id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A time in figures, in micro-credits. `totals`: what was booked by kind; they lead from opening to closing.

    `head` is the hash of the newest movement up to the end of it.
    """

    stretch: Stretch
    since: datetime | None
    until: datetime | None
    opening_micros: int
    closing_micros: int
    totals: dict[str, int]
    head: bytes
    unlimited: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement: a movement that changed how many credits there are, and what it was for."""

    id: str
    number: int
    kind: str
    cause: str
    at: datetime
    micros: int
    balance_micros: int
    price_version: str | None
    pipeline_id: str | None
    model: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    hash: bytes

    @property
    def run_id(self) -> str | None:
        """The run that a charge belongs to."""
        return self.cause.partition(":")[0] if self.kind == "settle" else None

    @property
    def step(self) -> str | None:
        """The step that a charge belongs to, with the steps around it."""
        return self.cause.partition(":")[2].rpartition(":")[0] if self.kind == "settle" else None


def statement(runtime: Runtime, owner: Account, since: datetime | None, until: datetime | None) -> Statement:
    """The statement from `since` (None: from the first movement) to before `until` (None: to the newest).

    Raises InvalidInput for a time that ends before it begins.
    """
    if since is not None and until is not None and until <= since:
        raise InvalidInput("INVALID_PERIOD", "The period ends before it begins.")
    with runtime.database.connect() as connection:
        found = stretch(connection, owner.id, since, until)
        sums = (
            select(TRANSACTIONS.c.kind, func.sum(ENTRIES.c.amount_micros))
            .join_from(TRANSACTIONS, ENTRIES, ENTRIES.c.transaction_id == TRANSACTIONS.c.id)
            .where(_mine, _range, TRANSACTIONS.c.kind.not_in(QUIET), ENTRIES.c.account.in_(("available", "held")))
            .group_by(TRANSACTIONS.c.kind)
        )
        totals = {kind: int(total) for kind, total in connection.execute(sums, _asked(found)).tuples()}
        opening, _ = _standing(connection, owner.id, found.first - 1)
        closing, head = _standing(connection, owner.id, max(found.last, found.first - 1))
    unlimited = PLANS[owner.plan].monthly_credits is None
    return Statement(found, since, until, opening, closing, totals, head, unlimited)


def list_lines(
    runtime: Runtime, shown: Stretch, *, limit: int, before: int | None = None, newest_first: bool = True
) -> Page[Line]:
    """A page of a statement's lines. `before` is the number of the last one seen, as a cursor."""
    last = shown.last if before is None or not newest_first else min(shown.last, before - 1)
    first = shown.first if before is None or newest_first else max(shown.first, before + 1)
    order = TRANSACTIONS.c.number.desc() if newest_first else TRANSACTIONS.c.number
    told = (TRANSACTIONS.c.kind.not_in(QUIET), TRANSACTIONS.c.cause.not_like(f"{UNLIMITED}%"))
    query = select(TRANSACTIONS).where(_mine, _range, *told).order_by(order).limit(limit + 1)
    asked = _asked(Stretch(shown.owner_id, first, last))
    with runtime.database.connect() as connection:
        rows = connection.execute(query, asked).all()
        ids = [row.id for row in rows[:limit]]
        changed = (
            select(ENTRIES.c.transaction_id, func.sum(ENTRIES.c.amount_micros))
            .where(ENTRIES.c.transaction_id.in_(ids), ENTRIES.c.account.in_(("available", "held")))
            .group_by(ENTRIES.c.transaction_id)
        )
        amounts = {key: int(total) for key, total in connection.execute(changed).tuples()} if ids else {}
    lines = tuple(
        Line(
            row.id, row.number, row.kind, row.cause, row.created_at, amounts.get(row.id, 0), row.balance_micros,
            row.price_version, row.pipeline_id, row.model, row.input_tokens or 0, row.cached_tokens or 0,
            row.output_tokens or 0, row.hash,
        )
        for row in rows[:limit]
    )  # fmt: skip
    return Page(lines, str(lines[-1].number) if len(rows) > limit else None)


def all_lines(runtime: Runtime, shown: Stretch) -> Iterator[Line]:
    """Every line of a statement, oldest first, a page of them in memory at a time."""
    before: int | None = None
    while True:
        page = list_lines(runtime, shown, limit=500, before=before, newest_first=False)
        yield from page.items
        if page.next_cursor is None:
            return
        before = int(page.next_cursor)


def spent_in(runtime: Runtime, shown: Stretch) -> tuple[Spent, ...]:
    """What was charged in a stretch, by day (UTC), pipeline and model."""
    sqlite = runtime.database.is_sqlite
    at = TRANSACTIONS.c.created_at
    day = func.date(at) if sqlite else func.date(func.timezone("UTC", at))
    keys = (day, TRANSACTIONS.c.pipeline_id, TRANSACTIONS.c.model)
    names = ("spent_micros", "input_tokens", "cached_tokens", "output_tokens")
    query = (
        select(*keys, func.count(), *(func.coalesce(func.sum(TRANSACTIONS.c[name]), 0) for name in names))
        .where(_mine, _range, TRANSACTIONS.c.kind == "settle")
        .group_by(*keys)
    )
    with runtime.database.connect() as connection:
        rows = connection.execute(query, _asked(shown)).tuples().all()
    return tuple(
        Spent(_day(when), pipeline, model, calls, *(int(each) for each in sums))
        for when, pipeline, model, calls, *sums in rows
    )


def stretch(connection: Connection, owner_id: str, since: datetime | None, until: datetime | None) -> Stretch:
    """The movements of a time."""
    newest = connection.execute(NEWEST, {"b_owner": owner_id}).scalar() or 0
    first = 1 if since is None else _first_from(connection, owner_id, since, newest)
    last = newest if until is None else _first_from(connection, owner_id, until, newest) - 1
    return Stretch(owner_id, first, last)


def find_stretch(runtime: Runtime, owner_id: str, since: datetime | None, until: datetime | None = None) -> Stretch:
    """The movements of a time, for a caller without a connection."""
    with runtime.database.connect() as connection:
        return stretch(connection, owner_id, since, until)


def export_lines(runtime: Runtime, owner_id: str, shown: Stretch | None = None) -> Iterator[str]:
    """An export that `stepiq ledger verify FILE` proves without a database: JSON, a text a movement.

    The whole ledger, or a stretch of it with what there was before. It holds ids and numbers, nothing that was said.
    """
    with runtime.database.connect() as connection:
        part = shown or stretch(connection, owner_id, None, None)
        account = connection.execute(STATE, {"b_owner": owner_id}).one_or_none()
        sums = _sums_before(connection, owner_id, part.first)
        number, head = part.first - 1, _standing(connection, owner_id, part.first - 1)[1]
    about = {"format": FORMAT, "account": owner_id, "made_at": iso_z(runtime.clock.now())}
    yield json.dumps(about | {"opening": _end_of(number, head, sums)}, ensure_ascii=False)[:-1] + ', "movements": ['
    versions = set()
    for movement in movements(runtime, owner_id, part.first, part.last):
        for name, amount in movement.link.amounts.items():
            sums[name] = sums.get(name, 0) + amount
        content = link_content(movement.link, movement.hash, movement.balance_micros)
        yield (",\n" if number >= part.first else "\n") + json.dumps(content, ensure_ascii=False)
        number, head = movement.link.number, movement.hash
        versions.add(movement.link.price_version)
    if account is not None and number == account.movements:
        sums = sums_of(account)  # what the account itself says, so that the proof compares it
    with runtime.database.connect() as connection:
        rows = book_rows(connection, [version for version in versions if version])
    books = {row.version: {"taken_at": iso_z(row.taken_at), "content": row.content} for row in rows}
    closing = {"closing": _end_of(number, head, sums), "price_books": books}
    yield "\n], " + json.dumps(closing, ensure_ascii=False)[1:] + "\n"


def _end_of(number: int, head: bytes, sums: dict[str, int]) -> dict[str, object]:
    return {"number": number, "head": head.hex(), "balances_micros": sums}


def _sums_before(connection: Connection, owner_id: str, first: int) -> dict[str, int]:
    if first <= 1:
        return {}
    sums = (
        select(ENTRIES.c.account, func.sum(ENTRIES.c.amount_micros))
        .join_from(TRANSACTIONS, ENTRIES, ENTRIES.c.transaction_id == TRANSACTIONS.c.id)
        .where(_mine, TRANSACTIONS.c.number < first)
        .group_by(ENTRIES.c.account)
    )
    return {name: int(total) for name, total in connection.execute(sums, {"b_owner": owner_id}).tuples()}


def _first_from(connection: Connection, owner_id: str, moment: datetime, newest: int) -> int:
    """The number of the first movement at or after a moment; one more than the newest where there is none."""
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        at = connection.execute(AT, {"b_owner": owner_id, "b_number": middle}).scalar()
        low, high = (middle + 1, high) if at is not None and at < moment else (low, middle)
    return low


def _standing(connection: Connection, owner_id: str, number: int) -> tuple[int, bytes]:
    """What there was after a movement, and its hash."""
    row = connection.execute(STANDING, {"b_owner": owner_id, "b_number": number}).one_or_none()
    return (row.balance_micros, row.hash) if row is not None else (0, START)


def _asked(shown: Stretch) -> dict[str, object]:
    return {"b_owner": shown.owner_id, "b_first": shown.first, "b_last": shown.last}


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def first_spending(runtime: Runtime, owner_id: str) -> date | None:
    """The day (UTC) of a person's first charge."""
    query = select(TRANSACTIONS.c.created_at).where(_mine, TRANSACTIONS.c.kind == "settle")
    with runtime.database.connect() as connection:
        at = connection.execute(query.order_by(TRANSACTIONS.c.number).limit(1), {"b_owner": owner_id}).scalar()
    return None if at is None else at.astimezone(UTC).date()
