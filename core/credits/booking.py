"""How a movement is written: under a lock of the person's account, guarded by the database, chained to the one before.

A SQLite write transaction has the whole database to itself; PostgreSQL locks the row. The guards stand in the UPDATE
all the same, so that no balance can be passed on any database, whatever forgets to lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Row, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from core.credits.chain import START, Link, hash_link
from core.credits.domain import too_few_credits
from core.credits.models import CreditAccount, LedgerEntry, LedgerTransaction
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.errors import InvariantViolated

COLUMNS = ("available", "held", "spent", "granted", "purchased", "expired")
GUARDED = ("available", "held", "spent")
SOURCES = ("granted", "purchased")
"""Accounts that credits come from: their columns grow by what they give away."""

# Built once, on the tables themselves: every model call posts three times, and building statements anew took longer
# than running them.
ACCOUNTS = cast(Table, CreditAccount.__table__)
TRANSACTIONS = cast(Table, LedgerTransaction.__table__)
_balance = {name: ACCOUNTS.c[f"{name}_micros"] for name in (*COLUMNS, "monthly")}
_owner = ACCOUNTS.c.owner_id == bindparam("b_owner")
KNOWN = select(TRANSACTIONS.c.id).where(TRANSACTIONS.c.idempotency_key == bindparam("b_key"))
HOLD = select(TRANSACTIONS.c.monthly_micros, TRANSACTIONS.c.month).where(
    TRANSACTIONS.c.idempotency_key == bindparam("b_key")
)
MOVE = (
    update(ACCOUNTS)
    .where(
        _owner,
        ACCOUNTS.c.movements == bindparam("b_seen"),
        *(_balance[name] + bindparam(f"b_{name}") >= 0 for name in (*GUARDED, "monthly")),
        ~KNOWN.exists(),
    )
    .values(
        {f"{name}_micros": _balance[name] + bindparam(f"b_{name}") for name in (*COLUMNS, "monthly")}
        | {
            "movements": bindparam("b_movements"),
            "head": bindparam("b_head"),
            "month": bindparam("b_month"),
            "month_began_micros": bindparam("b_month_began"),
        }
    )
)
BOOK = insert(TRANSACTIONS)
ENTER = insert(cast(Table, LedgerEntry.__table__))
OPEN_SQLITE = sqlite.insert(ACCOUNTS).on_conflict_do_nothing()
OPEN_POSTGRESQL = postgresql.insert(ACCOUNTS).on_conflict_do_nothing()
STATE = select(ACCOUNTS).where(_owner)
LOCKED = STATE.with_for_update()

Account = Row[Any]
"""A locked row of `credit_accounts`."""


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement: its amounts sum to zero. `monthly`: by how much the month's part of `available` changes."""

    kind: str
    cause: str
    amounts: Mapping[str, int] = field(default_factory=dict)
    monthly: int = 0

    @property
    def key(self) -> str:
        """What makes a repetition impossible."""
        return _key(self.kind, self.cause)


def is_booked(connection: Connection, kind: str, cause: str) -> bool:
    """Whether there is this movement already."""
    return connection.execute(KNOWN, {"b_key": _key(kind, cause)}).first() is not None


def lock(connection: Connection, owner_id: str) -> Account:
    """A person's account, made where it is missing; others who change it wait for this transaction."""
    owned = {"b_owner": owner_id}
    is_sqlite = connection.dialect.name == "sqlite"
    statement = STATE if is_sqlite else LOCKED
    found = connection.execute(statement, owned).one_or_none()
    if found is None:
        values = {f"{name}_micros": 0 for name in (*COLUMNS, "monthly")}
        opened = {"owner_id": owner_id, "month": 0, "movements": 0, "head": START, **values}
        connection.execute(OPEN_SQLITE if is_sqlite else OPEN_POSTGRESQL, opened)
        found = connection.execute(statement, owned).one()
    return found


def hold_of(connection: Connection, cause: str) -> tuple[int, int]:
    """What of a hold came from the month, and from which one."""
    found = connection.execute(HOLD, {"b_key": _key("hold", cause)}).one_or_none()
    return (found.monthly_micros, found.month) if found else (0, 0)


def post(
    runtime: Runtime,
    connection: Connection,
    account: Account,
    movements: Sequence[Movement],
    *,
    price_version: str | None = None,
    begins_month: bool = False,
) -> bool:
    """Book movements that belong together, all or none. The key of the last one decides about a repetition.

    False when it was booked already. Raises InsufficientCredits, and has booked nothing then.
    """
    changes = {f"b_{name}": 0 for name in (*COLUMNS, "monthly")}
    now, number, head = runtime.clock.now(), account.movements, account.head
    month = account.month + 1 if begins_month else account.month
    booked: list[dict[str, Any]] = []
    entered: list[dict[str, Any]] = []
    for movement in movements:
        if sum(movement.amounts.values()) != 0:
            raise InvariantViolated("UNBALANCED", "A ledger movement does not sum to zero.")
        number, transaction_id = number + 1, runtime.ids.new()
        link = Link(
            number, transaction_id, movement.kind, movement.cause, month, price_version, iso_z(now), movement.amounts
        )
        head = hash_link(head, link)
        row = {"id": transaction_id, "owner_id": account.owner_id, "kind": movement.kind, "cause": movement.cause}
        row |= {"idempotency_key": movement.key, "price_version": price_version, "created_at": now}
        booked.append(row | {"number": number, "hash": head, "month": month, "monthly_micros": -movement.monthly})
        changes["b_monthly"] += movement.monthly
        for position, (name, amount) in enumerate(movement.amounts.items()):
            changes[f"b_{name}"] += -amount if name in SOURCES else amount
            entry = {"transaction_id": transaction_id, "position": position, "owner_id": account.owner_id}
            if amount:
                entered.append({**entry, "account": name, "amount_micros": amount})
    key = {"b_key": movements[-1].key}
    then = {
        "b_owner": account.owner_id,
        "b_seen": account.movements,
        "b_movements": number,
        "b_head": head,
        "b_month": month,
        "b_month_began": account.spent_micros if begins_month else account.month_began_micros,
    }
    if connection.execute(MOVE, changes | then | key).rowcount != 1:
        if is_booked(connection, movements[-1].kind, movements[-1].cause):
            return False
        _refuse(-changes["b_available"], account.available_micros)
    connection.execute(BOOK, booked)
    if entered:
        connection.execute(ENTER, entered)
    return True


def _key(kind: str, cause: str) -> str:
    # A hold ends once, whichever way: both kinds share a key.
    return f"end:{cause}" if kind in ("settle", "release") else f"{kind}:{cause}"


def _refuse(needed: int, left: int) -> None:
    if needed <= left:
        raise InvariantViolated("LEDGER_RACE", "The account was changed without its lock.")
    raise too_few_credits("This", needed, left)
