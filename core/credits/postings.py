"""Ledger postings: grant, hold, settle, release. Each joins the caller's transaction and never commits.

A repetition of a posting (same kind and cause) changes nothing. The conditions stand in the UPDATE
itself, so concurrent runs cannot pass the balance on any database.
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from core.credits.alerts import alert_usage
from core.credits.domain import PLANS, InsufficientCredits
from core.credits.models import CreditAccount, LedgerEntry, LedgerTransaction
from core.platform.runtime import Runtime
from core.shared.errors import InvariantViolated
from core.shared.money import format_credits

Movement = tuple[str, str, dict[str, int]]
"""Kind, cause, and the change of each column; the changes sum to zero."""

COLUMNS = ("available", "held", "spent", "granted")
GUARDED = ("available", "held", "spent")

# Built once, on the tables themselves: every model call posts three times, and building statements anew took longer
# than running them.
ACCOUNTS = cast(Table, CreditAccount.__table__)
TRANSACTIONS = cast(Table, LedgerTransaction.__table__)
_balance = {name: ACCOUNTS.c[f"{name}_micros"] for name in COLUMNS}
_owner = ACCOUNTS.c.owner_id == bindparam("b_owner")
KNOWN = select(TRANSACTIONS.c.id).where(TRANSACTIONS.c.idempotency_key == bindparam("b_key"))
MOVE = (
    update(ACCOUNTS)
    .where(_owner, *(_balance[name] + bindparam(f"b_{name}") >= 0 for name in GUARDED), ~KNOWN.exists())
    .values({f"{name}_micros": _balance[name] + bindparam(f"b_{name}") for name in COLUMNS})
)
BOOK = insert(TRANSACTIONS)
ENTER = insert(cast(Table, LedgerEntry.__table__))
OPEN_SQLITE = sqlite.insert(ACCOUNTS).on_conflict_do_nothing()
OPEN_POSTGRESQL = postgresql.insert(ACCOUNTS).on_conflict_do_nothing()
LOCK = select(ACCOUNTS.c.owner_id).where(_owner).with_for_update()
BEGIN_MONTH = update(ACCOUNTS).where(_owner).values(month_began_micros=ACCOUNTS.c.spent_micros)
LEFT = select(ACCOUNTS.c.available_micros).where(_owner)


def lock_account(session: Session, owner_id: str) -> None:
    """Open a person's credit account where it is missing, and make others who change it wait for this transaction.

    A SQLite write transaction has the whole database to itself; PostgreSQL locks the row.
    """
    _lock(session.connection(), owner_id)


def _lock(connection: Connection, owner_id: str) -> None:
    values = {"owner_id": owner_id} | {f"{name}_micros": 0 for name in COLUMNS}
    if connection.dialect.name == "sqlite":
        connection.execute(OPEN_SQLITE, values)
    else:
        connection.execute(OPEN_POSTGRESQL, values)
        connection.execute(LOCK, {"b_owner": owner_id})


def grant(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> bool:
    """Give credits. False when this cause granted already."""
    lock_account(session, owner_id)
    return _post(runtime, session, owner_id, [("grant", cause, {"granted": -micros, "available": micros})])


def begin_month(session: Session, owner_id: str) -> None:
    """Count what is used of a month's credits from now on; with the grant that gives them."""
    session.connection().execute(BEGIN_MONTH, {"b_owner": owner_id})


def hold(runtime: Runtime, session: Session, owner_id: str, *, plan: str, micros: int, cause: str) -> None:
    """Set credits aside before a call. Plans without a limit are granted what they use.

    Raises InsufficientCredits, and has booked nothing then: the caller's transaction may go on.
    """
    if micros == 0:
        return
    lock_account(session, owner_id)
    moves: list[Movement] = [("hold", cause, {"available": -micros, "held": micros})]
    if PLANS[plan].monthly_credits is None:
        moves.insert(0, ("grant", f"unlimited:{cause}", {"granted": -micros, "available": micros}))
    # Held before a crash: the posting is a repetition, and the hold still stands.
    _post(runtime, session, owner_id, moves)


def settle(
    runtime: Runtime,
    session: Session,
    owner_id: str,
    *,
    plan: str,
    held: int,
    micros: int,
    cause: str,
    price_version: str | None,
) -> None:
    """Turn a hold into spending and give back the rest. `micros` is at most `held`.

    On a plan with a limit, a share of the month's credits that is reached with it is told by mail.
    """
    if held == 0:
        return
    if micros > held:
        raise InvariantViolated("OVERCHARGE", "A call cost more than was held for it.")
    moves = {"held": -held, "spent": micros, "available": held - micros}
    booked = _post(runtime, session, owner_id, [("settle", cause, moves)], price_version)
    if booked and micros:
        alert_usage(runtime, session, owner_id, plan, micros)


def release(runtime: Runtime, session: Session, owner_id: str, *, held: int, cause: str) -> None:
    """Give a hold back whole."""
    if held:
        _post(runtime, session, owner_id, [("release", cause, {"held": -held, "available": held})])


def set_available(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> None:
    """Bring what is available to an amount, by a grant or its reversal (an operator's act)."""
    lock_account(session, owner_id)
    now = session.scalar(select(CreditAccount.available_micros).where(CreditAccount.owner_id == owner_id)) or 0
    grant(runtime, session, owner_id, micros=micros - now, cause=cause)


def _post(
    runtime: Runtime, session: Session, owner_id: str, movements: Sequence[Movement], price_version: str | None = None
) -> bool:
    """Book movements that belong together, all or none. The key of the last one decides about a repetition."""
    connection = session.connection()
    owned = {"b_owner": owner_id}
    changes = {f"b_{name}": 0 for name in COLUMNS}
    now, booked, entered = runtime.clock.now(), [], []
    for kind, cause, moves in movements:
        if sum(moves.values()) != 0:
            raise InvariantViolated("UNBALANCED", "A ledger movement does not sum to zero.")
        transaction_id = runtime.ids.new()
        booked.append(
            {
                "id": transaction_id,
                "owner_id": owner_id,
                "kind": kind,
                "cause": cause,
                # A hold ends once, whichever way: both kinds share a key.
                "idempotency_key": f"end:{cause}" if kind in ("settle", "release") else f"{kind}:{cause}",
                "price_version": price_version,
                "created_at": now,
            }
        )
        for position, (name, amount) in enumerate(moves.items()):
            # `granted` grows by what it gives away; the other columns are the sums of their entries.
            changes[f"b_{name}"] += -amount if name == "granted" else amount
            entry = {"transaction_id": transaction_id, "position": position, "owner_id": owner_id, "account": name}
            if amount:
                entered.append({**entry, "amount_micros": amount})
    key = {"b_key": booked[-1]["idempotency_key"]}
    if connection.execute(MOVE, changes | owned | key).rowcount != 1:
        if connection.execute(KNOWN, key).first() is not None:
            return False
        left = connection.execute(LEFT, owned).scalar() or 0
        needed = -changes["b_available"]
        raise InsufficientCredits(
            "INSUFFICIENT_CREDITS",
            f"This needs up to {format_credits(needed)} and {format_credits(left)} are left. "
            "Lower max_tokens, use the demo model or your own vendor key, or get more credits.",
        )
    connection.execute(BOOK, booked)
    if entered:
        connection.execute(ENTER, entered)
    return True
