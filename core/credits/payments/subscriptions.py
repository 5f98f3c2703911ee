"""Bringing a person's subscription up to date: Stripe is asked how it stands now, and that is written.

Two who ask at the same time must not end with the older answer. Each takes a number before it asks; an answer is
written only if none with a higher number was. Whoever has the highest number asked last, so what is there in the end is
what Stripe said last: every change at Stripe sends an event, whose handler takes its number after the change.
"""

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.credits.payments.domain import Subscription, entitlement
from core.credits.payments.gateway import Gateway
from core.credits.payments.models import CustomerRow, RefundRow, SubjectRow, SubscriptionRow
from core.credits.payments.notices import tell_overdue
from core.credits.payments.postings import give_plan, lock_customer
from core.credits.payments.queries import account_exists, gateway_of, subscription_view
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

log = get_logger("payments")


def refresh_subscription(runtime: Runtime, subscription_id: str) -> bool:
    """Ask Stripe about a subscription, and let its person's plan follow; answers whether it is somebody's here.

    One that goes on for somebody who has no account any more is ended, so that nobody pays for nothing.
    """
    gateway = gateway_of(runtime)
    number = take_number(runtime, subscription_id)
    found = gateway.get_subscription(subscription_id)
    with runtime.database.read() as session:
        withdrawn = is_withdrawn(session, subscription_id)
    if found is not None and found.is_open and withdrawn:
        gateway.cancel_subscription(subscription_id)
        found = gateway.get_subscription(subscription_id)
    if found is None:
        return False
    if _write(runtime, found, number):
        return True
    if found.account_id is not None and found.is_open:
        _end(gateway, found)
    return False


def refresh_customer(runtime: Runtime, customer_id: str) -> int:
    """The same for all subscriptions of a customer, also those that no event told of; answers how many."""
    return sum(refresh_subscription(runtime, id) for id in gateway_of(runtime).list_subscriptions(customer_id))


def take_number(runtime: Runtime, subject_id: str) -> int:
    """The number of a question that is about to be asked."""
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    row = insert(SubjectRow).values(id=subject_id, asked=1, applied=0)
    row = row.on_conflict_do_update(index_elements=["id"], set_={"asked": SubjectRow.asked + 1})
    with runtime.database.write() as session:
        return session.scalars(row.returning(SubjectRow.asked)).one()


def is_newest(session: Session, subject_id: str, number: int) -> bool:
    """Let an answer count, unless one to a later question did already."""
    counts = update(SubjectRow).where(SubjectRow.id == subject_id, SubjectRow.applied < number)
    return session.scalar(counts.values(applied=number).returning(SubjectRow.id)) is not None


def _write(runtime: Runtime, found: Subscription, number: int) -> bool:
    with runtime.database.write() as session:
        customer = _customer_of(runtime, session, found)
        if customer is None:
            return False
        if found.is_open and is_withdrawn(session, found.id):
            return True  # withdrawn since Stripe was asked: whoever did that ends it there, and asks again
        if not is_newest(session, found.id, number):
            return True
        session.merge(_row(customer.owner_id, found))
        session.flush()
        mine = select(SubscriptionRow).where(SubscriptionRow.owner_id == customer.owner_id)
        now = runtime.clock.now()
        wanted = entitlement([subscription_view(row) for row in session.scalars(mine)], now)
        give_plan(runtime, session, customer, wanted)
        if found.grace_end is not None and found.is_open:
            tell_overdue(runtime, session, customer.owner_id, found)
    return True


def _customer_of(runtime: Runtime, session: Session, found: Subscription) -> CustomerRow | None:
    """The locked row of whom a subscription belongs to; None for nobody here, or nobody any more.

    A customer who is not known here, although the subscription names an account, is from before a backup was restored.
    """
    owner_id = session.scalar(select(CustomerRow.owner_id).where(CustomerRow.customer_id == found.customer_id))
    if not account_exists(runtime, session, owner_id or found.account_id):
        return None
    if owner_id is None and found.account_id is not None:
        if lock_customer(session, found.account_id) is not None:
            return None
        add_customer(runtime, session, found.account_id, found.customer_id)
        owner_id = found.account_id
    return lock_customer(session, owner_id) if owner_id else None


def add_customer(runtime: Runtime, session: Session, owner_id: str, customer_id: str) -> None:
    """Note who a person is at Stripe, unless that is known."""
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    now = runtime.clock.now()
    row = insert(CustomerRow).values(
        owner_id=owner_id, customer_id=customer_id, plan="free", changes=0, created_at=now
    )  # fmt: skip
    session.execute(row.on_conflict_do_nothing())


def _row(owner_id: str, found: Subscription) -> SubscriptionRow:
    return SubscriptionRow(
        id=found.id,
        owner_id=owner_id,
        status=found.status,
        plan=found.plan,
        interval=found.interval,
        item_id=found.item_id,
        started_at=found.started_at,
        period_start=found.period_start,
        period_end=found.period_end,
        ends_at=found.ends_at,
        ended_at=found.ended_at,
        next_plan=found.next_plan,
        next_at=found.next_at,
        cents=found.cents,
        currency=found.currency,
    )


def is_withdrawn(session: Session, subscription_id: str) -> bool:
    """Whether money for it was given back: then it must not go on, whatever stopped us from ending it."""
    return session.scalar(select(RefundRow.id).where(RefundRow.cause == subscription_id).limit(1)) is not None


def _end(gateway: Gateway, found: Subscription) -> None:
    log.warning("payments.subscription_of_nobody", subscription=found.id)
    gateway.cancel_subscription(found.id)
