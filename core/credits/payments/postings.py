"""What payments write within the caller's transaction: the plan that was paid for, and credits that a withdrawal ends.

Locks are taken in one order: the customer, then the credit account, then the person.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.credits.booking import Movement, lock, post
from core.credits.models import CreditAccount
from core.credits.payments.domain import Entitlement
from core.credits.payments.models import CustomerRow
from core.credits.plan_changes import cancel_planned, plan_at, set_plan
from core.platform.runtime import Runtime
from core.shared.money import MICROS


def lock_customer(session: Session, owner_id: str) -> CustomerRow | None:
    """A person's row at billing; others who change it wait for this transaction."""
    mine = select(CustomerRow).where(CustomerRow.owner_id == owner_id).with_for_update()
    return session.scalar(mine.execution_options(populate_existing=True))


def give_plan(
    runtime: Runtime, session: Session, customer: CustomerRow, wanted: Entitlement, *, actor_id: str | None = None
) -> bool:
    """Bring a person's plan to what they paid for; answers whether something changed.

    Only a change of what was paid for touches the plan: one that an admin gave meanwhile stays until then.
    """
    given = _given(customer, runtime.clock.now())
    then = (wanted.next_plan, wanted.next_at)
    changed = given != wanted.plan or (customer.next_plan, customer.next_at) != then
    if not changed:
        return False
    customer.changes += 1
    cause = f"payment:{customer.owner_id}:{customer.changes}"
    if wanted.plan != given or given != customer.plan:  # the day of an announcement came: whoever saw it first
        set_plan(runtime, session, customer.owner_id, wanted.plan, cause=cause, actor_id=actor_id)
    if wanted.next_plan is not None and wanted.next_at is not None:
        plan_at(runtime, session, customer.owner_id, wanted.next_plan, at=wanted.next_at, cause=cause)
    elif customer.next_plan is not None:
        cancel_planned(runtime, session, customer.owner_id)
    customer.plan, (customer.next_plan, customer.next_at) = wanted.plan, then
    return True


def _given(customer: CustomerRow, now: datetime) -> str:
    """The plan that payments gave: the announced one from its day on."""
    if customer.next_plan is not None and customer.next_at is not None and customer.next_at <= now:
        return customer.next_plan
    return customer.plan


def end_month(runtime: Runtime, session: Session, owner_id: str, *, cause: str) -> int:
    """End what is left of the month that a plan gave, but for what Free would have left; answers how much ended.

    For a withdrawal: what is given back as money must not be spent. A new subscription within the month gives anew.
    """
    connection = session.connection()
    account = lock(connection, owner_id)
    spent = account.spent_micros - (account.month_began_micros or 0)
    free = (PLANS["free"].monthly_credits or 0) * MICROS
    kept: int = max(0, min(account.monthly_micros, free - spent))
    ended: int = account.monthly_micros - kept
    if ended:
        post(
            runtime, connection, account, [Movement("expire", cause, {"available": -ended, "expired": ended}, -ended)]
        )  # fmt: skip
    mine = update(CreditAccount).where(CreditAccount.owner_id == owner_id, CreditAccount.month_plan.is_not(None))
    session.execute(mine.values(month_plan="free"))
    return ended
