"""Reading movements in their order: what a proof, a statement and an export walk along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, bindparam, func, select

from core.credits.booking import TRANSACTIONS
from core.credits.chain import Link
from core.credits.domain import Metered
from core.credits.models import CreditAccount, LedgerEntry
from core.platform.database import AnyRow
from core.platform.runtime import Runtime
from core.shared.clock import iso_z

PAGE = 500
ENTRIES = cast(Table, LedgerEntry.__table__)
NEWEST = select(func.max(TRANSACTIONS.c.number)).where(TRANSACTIONS.c.owner_id == bindparam("b_owner"))
_IN_PAGE = (
    TRANSACTIONS.c.owner_id == bindparam("b_owner"),
    TRANSACTIONS.c.number >= bindparam("b_first"),
    TRANSACTIONS.c.number <= bindparam("b_last"),
)
ROWS = select(TRANSACTIONS).where(*_IN_PAGE).order_by(TRANSACTIONS.c.number).limit(bindparam("b_limit"))
AMOUNTS = (
    select(ENTRIES.c.transaction_id, ENTRIES.c.account, ENTRIES.c.amount_micros)
    .join_from(TRANSACTIONS, ENTRIES, ENTRIES.c.transaction_id == TRANSACTIONS.c.id)
    .where(*_IN_PAGE)
)


@dataclass(frozen=True, slots=True)
class Booked:
    """A movement as it is stored: what its hash covers, the hash, and the sums that are kept beside it."""

    link: Link
    hash: bytes
    balance_micros: int
    spent_micros: int
    at: datetime


def movements(runtime: Runtime, owner_id: str, first: int, last: int) -> Iterator[Booked]:
    """A person's movements from one number to another: a page of them in memory at a time, and none while it waits."""
    for rows, amounts in movement_pages(runtime, owner_id, first, last):
        for row in rows:
            link = link_of(row, amounts[row.id])
            yield Booked(link, row.hash, row.balance_micros, row.spent_micros, row.created_at)


def movement_pages(
    runtime: Runtime, owner_id: str, first: int, last: int
) -> Iterator[tuple[Sequence[AnyRow], Mapping[str, dict[str, int]]]]:
    """The same rows a page at a time, each page with the amounts of its movements by account."""
    while first <= last:
        asked = {"b_owner": owner_id, "b_first": first, "b_last": last}
        with runtime.database.connect() as connection:
            rows = connection.execute(ROWS, {**asked, "b_limit": PAGE}).all()
            if not rows:
                return
            amounts: dict[str, dict[str, int]] = {row.id: {} for row in rows}
            for entry in connection.execute(AMOUNTS, {**asked, "b_last": rows[-1].number}):
                amounts[entry.transaction_id][entry.account] = entry.amount_micros
        yield rows, amounts
        first = rows[-1].number + 1


def link_of(row: AnyRow, amounts: dict[str, int]) -> Link:
    """What the hash of a movement covers."""
    metered = None
    if row.model is not None:
        metered = Metered(
            row.pipeline_id, row.plan, row.model, row.input_tokens, row.cached_tokens, row.written_tokens,
            row.output_tokens,
        )  # fmt: skip
    at = iso_z(row.created_at)
    return Link(row.number, row.id, row.kind, row.cause, row.month, row.price_version, at, amounts, metered)


def sums_of(owner: CreditAccount | AnyRow) -> dict[str, int]:
    """What the entries of a person's account should sum to, by ledger account."""
    return {
        "available": owner.available_micros,
        "held": owner.held_micros,
        "spent": owner.spent_micros,
        "granted": -owner.granted_micros,
        "purchased": -owner.purchased_micros,
        "expired": owner.expired_micros,
    }
