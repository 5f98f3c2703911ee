"""How a movement is written: under a lock of the person's account, guarded by the database, chained to the one before.

A SQLite write transaction has the whole database to itself; PostgreSQL locks the row. The guards stand in the UPDATE
all the same, so that no balance can be passed on any database, whatever forgets to lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from core.credits.chain import START, Link, hash_link
from core.credits.domain import Metered, too_few_credits
from core.credits.models import CreditAccount, LedgerEntry, LedgerTransaction
from core.platform.hot import HotStatement
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.errors import InvariantViolated

COLUMNS = ("available", "held", "spent", "granted", "purchased", "expired")
GUARDED = ("available", "held", "spent")
SOURCES = ("granted", "purchased")
"""Accounts that credits come from: their columns grow by what they give away."""


@dataclass(frozen=True, slots=True)
class CreditState:
    """A locked row of `credit_accounts`, its columns in their order."""

    owner_id: str
    available_micros: int
    held_micros: int
    spent_micros: int
    granted_micros: int
    purchased_micros: int
    expired_micros: int
    monthly_micros: int
    month: int
    movements: int
    head: bytes
    month_began_micros: int | None
    month_granted_micros: int | None


STATE_COLUMNS = tuple(each.name for each in fields(CreditState))

# Built once, on the tables themselves, and run on the driver's cursor: every model call posts three times, and building
# and compiling statements anew took longer than running them.
ACCOUNTS = cast(Table, CreditAccount.__table__)
TRANSACTIONS = cast(Table, LedgerTransaction.__table__)
_balance = {name: ACCOUNTS.c[f"{name}_micros"] for name in (*COLUMNS, "monthly")}
_owner = ACCOUNTS.c.owner_id == bindparam("b_owner")
KNOWN = select(TRANSACTIONS.c.id).where(TRANSACTIONS.c.idempotency_key == bindparam("b_key"))
MOVE = HotStatement(
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
BOOK = HotStatement(insert(TRANSACTIONS))
ENTER = HotStatement(insert(cast(Table, LedgerEntry.__table__)))
OPEN_SQLITE = sqlite.insert(ACCOUNTS).on_conflict_do_nothing()
OPEN_POSTGRESQL = postgresql.insert(ACCOUNTS).on_conflict_do_nothing()
STATE = select(*(ACCOUNTS.c[each] for each in STATE_COLUMNS)).where(_owner)
# The account together with one of its holds: what a settlement has to know, in one look.
_state_and_hold = (
    select(
        *(ACCOUNTS.c[each] for each in STATE_COLUMNS),
        TRANSACTIONS.c.monthly_micros.label("hold_monthly"),
        TRANSACTIONS.c.month.label("hold_month"),
    )
    .select_from(ACCOUNTS.outerjoin(TRANSACTIONS, TRANSACTIONS.c.idempotency_key == bindparam("b_key")))
    .where(_owner)
)
LOOK = {True: HotStatement(STATE), False: HotStatement(STATE.with_for_update())}
LOOK_WITH_HOLD = {
    True: HotStatement(_state_and_hold),
    False: HotStatement(_state_and_hold.with_for_update(of=ACCOUNTS)),
}
"""By whether it is SQLite, where a write transaction has the whole database to itself."""
NOTHING_METERED: dict[str, Any] = dict.fromkeys(each.name for each in fields(Metered))


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


def lock(connection: Connection, owner_id: str) -> CreditState:
    """A person's account, made where it is missing; others who change it wait for this transaction."""
    owned = {"b_owner": owner_id}
    is_sqlite = connection.dialect.name == "sqlite"
    found = LOOK[is_sqlite].run(connection, owned).fetchone()
    if found is None:
        values = {f"{name}_micros": 0 for name in (*COLUMNS, "monthly")}
        opened = {"owner_id": owner_id, "month": 0, "movements": 0, "head": START, **values}
        connection.execute(OPEN_SQLITE if is_sqlite else OPEN_POSTGRESQL, opened)
        found = LOOK[is_sqlite].run(connection, owned).fetchone()
    return CreditState(*found)


def lock_with_hold(connection: Connection, owner_id: str, cause: str) -> tuple[CreditState, int, int]:
    """The account as `lock` has it; what of a hold came from the month, and from which month it came."""
    look = LOOK_WITH_HOLD[connection.dialect.name == "sqlite"]
    found = look.run(connection, {"b_owner": owner_id, "b_key": _key("hold", cause)}).fetchone()
    if found is None:
        return lock(connection, owner_id), 0, 0
    *state, monthly, month = found
    return CreditState(*state), monthly or 0, month or 0


def post(
    runtime: Runtime,
    connection: Connection,
    account: CreditState,
    movements: Sequence[Movement],
    *,
    price_version: str | None = None,
    metered: Metered | None = None,
    begins_month: bool = False,
) -> bool:
    """Book movements that belong together, all or none. The key of the last one decides about a repetition.

    `metered` is what the last one charges for, by the price book of `price_version`.
    False when it was booked already. Raises InsufficientCredits, and has booked nothing then.
    """
    changes = {f"b_{name}": 0 for name in (*COLUMNS, "monthly")}
    now, number, head = runtime.clock.now(), account.movements, account.head
    month = account.month + 1 if begins_month else account.month
    balance = account.available_micros + account.held_micros
    booked: list[dict[str, Any]] = []
    entered: list[dict[str, Any]] = []
    for movement in movements:
        if sum(movement.amounts.values()) != 0:
            raise InvariantViolated("UNBALANCED", "A ledger movement does not sum to zero.")
        number, transaction_id = number + 1, runtime.ids.new()
        charged = metered if movement is movements[-1] else None
        amounts = movement.amounts
        link = Link(
            number, transaction_id, movement.kind, movement.cause, month, price_version, iso_z(now), amounts, charged
        )
        head = hash_link(head, link)
        balance += amounts.get("available", 0) + amounts.get("held", 0)
        booked.append(
            {
                "id": transaction_id,
                "owner_id": account.owner_id,
                "kind": movement.kind,
                "cause": movement.cause,
                "idempotency_key": movement.key,
                "monthly_micros": -movement.monthly,
                "month": month,
                "number": number,
                "hash": head,
                "price_version": price_version,
                "balance_micros": balance,
                "spent_micros": amounts.get("spent", 0),
                "created_at": now,
                **(NOTHING_METERED if charged is None else asdict(charged)),
            }
        )
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
    if MOVE.run(connection, changes | then | key).rowcount != 1:
        if is_booked(connection, movements[-1].kind, movements[-1].cause):
            return False
        _refuse(-changes["b_available"], account.available_micros)
    BOOK.run_many(connection, booked)
    if entered:
        ENTER.run_many(connection, entered)
    return True


def _key(kind: str, cause: str) -> str:
    # A hold ends once, whichever way: both kinds share a key.
    return f"end:{cause}" if kind in ("settle", "release") else f"{kind}:{cause}"


def _refuse(needed: int, left: int) -> None:
    if needed <= left:
        raise InvariantViolated("LEDGER_RACE", "The account was changed without its lock.")
    raise too_few_credits("This", needed, left)
