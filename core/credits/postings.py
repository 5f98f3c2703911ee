"""Ledger postings: grant, purchase, hold, settle, release, expire, refund. Each joins the caller's transaction and
never commits. A repetition of a posting (same kind and cause) changes nothing.

Of what is available a part is the month's (`monthly_micros`): it is used first, and ends with the month. A hold notes
how much of it came from there; what it gives back after its month is over has ended too.
"""

from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.credits.alerts import alert_usage
from core.credits.booking import CreditState, Movement, lock, lock_with_hold, post
from core.credits.domain import Metered
from core.platform.runtime import Runtime
from core.shared.errors import InvariantViolated


def lock_account(session: Session, owner_id: str) -> None:
    """Open a person's credit account where it is missing, and make others who change it wait for this transaction."""
    lock(session.connection(), owner_id)


def grant(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> bool:
    """Give credits that do not end with the month. False when this cause granted already."""
    connection = session.connection()
    account = lock(connection, owner_id)
    return post(runtime, connection, account, [Movement("grant", cause, {"granted": -micros, "available": micros})])


def begin_month(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> bool:
    """End what is left of the month before, and grant a new one. False when this cause granted already."""
    connection = session.connection()
    account = lock(connection, owner_id)
    movements = [Movement("grant", cause, {"granted": -micros, "available": micros}, micros)]
    if account.monthly_micros:
        left = account.monthly_micros
        movements.insert(0, Movement("expire", cause, {"available": -left, "expired": left}, -left))
    return post(runtime, connection, account, movements, begins_month=True)


def raise_month(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> bool:
    """Add to the month that goes on: a plan was raised within it."""
    connection = session.connection()
    account = lock(connection, owner_id)
    raised = Movement("grant", cause, {"granted": -micros, "available": micros}, micros)
    return post(runtime, connection, account, [raised])


def purchase(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> bool:
    """Give credits that were bought; they do not end with the month. False when this cause gave them already."""
    connection = session.connection()
    account = lock(connection, owner_id)
    bought = Movement("purchase", cause, {"purchased": -micros, "available": micros})
    return post(runtime, connection, account, [bought])


def refund(runtime: Runtime, session: Session, owner_id: str, *, at_most: int, cause: str) -> int:
    """Take back bought credits that were not used: at most `at_most`; answers how many."""
    connection = session.connection()
    account = lock(connection, owner_id)
    unused = min(at_most, account.available_micros - account.monthly_micros)
    if unused <= 0:
        return 0
    taken = Movement("refund", cause, {"available": -unused, "purchased": unused})
    return unused if post(runtime, connection, account, [taken]) else 0


def hold(runtime: Runtime, session: Session, owner_id: str, *, plan: str, micros: int, cause: str) -> None:
    """Set credits aside before a call. Plans without a limit are granted what they use.

    Raises InsufficientCredits, and has booked nothing then: the caller's transaction may go on.
    """
    if micros == 0:
        return
    connection = session.connection()
    account = lock(connection, owner_id)
    from_month = min(micros, account.monthly_micros)
    movements = [Movement("hold", cause, {"available": -micros, "held": micros}, -from_month)]
    if PLANS[plan].monthly_credits is None:
        given = {"granted": -micros, "available": micros}
        movements.insert(0, Movement("grant", f"unlimited:{cause}", given))
    # Held before a crash: the posting is a repetition, and the hold still stands.
    post(runtime, connection, account, movements)


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
    metered: Metered | None = None,
) -> None:
    """Turn a hold into spending and give back the rest. `micros` is at most `held`, for what was `metered`.

    On a plan with a limit, a share of the month's credits that is reached with it is told by mail.
    """
    if held == 0:
        return
    if micros > held:
        raise InvariantViolated("OVERCHARGE", "A call cost more than was held for it.")
    account = _end_hold(runtime, session, owner_id, "settle", held, micros, cause, price_version, metered)
    if account is not None and micros and account.month_began_micros is not None:
        used, granted = account.spent_micros - account.month_began_micros + micros, account.month_granted_micros or 0
        alert_usage(runtime, session, owner_id, plan, spent=micros, used=used, granted=granted)


def release(runtime: Runtime, session: Session, owner_id: str, *, held: int, cause: str) -> None:
    """Give a hold back whole."""
    if held:
        _end_hold(runtime, session, owner_id, "release", held, 0, cause, None)


def set_available(runtime: Runtime, session: Session, owner_id: str, *, micros: int, cause: str) -> None:
    """Bring what is available to an amount, by a grant or its reversal (an operator's act)."""
    connection = session.connection()
    account = lock(connection, owner_id)
    more = micros - account.available_micros
    kept = min(account.monthly_micros, micros)
    set_to = Movement("grant", cause, {"granted": -more, "available": more}, kept - account.monthly_micros)
    post(runtime, connection, account, [set_to])


def take_back(runtime: Runtime, session: Session, owner_id: str, *, at_most: int, cause: str) -> int:
    """Take back given credits that were not used, not those of the month: at most `at_most`; answers how many."""
    connection = session.connection()
    account = lock(connection, owner_id)
    unused = min(at_most, account.available_micros - account.monthly_micros)
    if unused <= 0:
        return 0
    taken = Movement("grant", cause, {"granted": unused, "available": -unused})
    return unused if post(runtime, connection, account, [taken]) else 0


def _end_hold(
    runtime: Runtime,
    session: Session,
    owner_id: str,
    kind: str,
    held: int,
    micros: int,
    cause: str,
    price_version: str | None,
    metered: Metered | None = None,
) -> CreditState | None:
    """The account as it was before; None when the hold had ended already."""
    connection = session.connection()
    account, from_month, month = lock_with_hold(connection, owner_id, cause)
    back = from_month - min(from_month, micros)  # the month's credits are used first
    amounts = {"held": -held, "spent": micros, "available": held - micros}
    if month == account.month:
        movements = [Movement(kind, cause, amounts, back)]
    else:
        # The key of the last movement decides about a repetition, so the one that ends the hold stands there; both
        # are one change of the account, so it does not matter that what ends was not given back yet.
        ended = [Movement("expire", f"hold:{cause}", {"available": -back, "expired": back})] if back else []
        movements = [*ended, Movement(kind, cause, amounts)]
    booked = post(runtime, connection, account, movements, price_version=price_version, metered=metered)
    return account if booked else None
