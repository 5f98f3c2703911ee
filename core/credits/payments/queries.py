"""Reading what was paid, what is due, and what went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.queries import account_of
from core.credits.payments.domain import OPEN, OVERDUE, Interval, Invoice, Price, Subscription
from core.credits.payments.errors import not_configured
from core.credits.payments.gateway import Gateway
from core.credits.payments.models import (
    CheckoutRow,
    CustomerRow,
    DiscountCodeRow,
    EventRow,
    RedemptionRow,
    RefundRow,
    SubscriptionRow,
)
from core.platform.bounded import count_up_to
from core.platform.runtime import Runtime
from core.shared.errors import NotFound
from core.shared.money import MICROS
from core.shared.pages import Page

COUNTED = ("reserved", "redeemed")
"""States in which a use of a code takes one of its redemptions."""


@dataclass(frozen=True, slots=True)
class BillingView:
    """How a person stands at billing. `is_waiting`: a Checkout was opened lately, and its end is not known yet."""

    is_customer: bool
    subscription: Subscription | None
    is_waiting: bool
    refunds: tuple["RefundView", ...]


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money that goes back, or went. `state`: claimed, sent, done, failed."""

    id: str
    owner_id: str
    amount: int
    currency: str
    credits: int
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PurchaseView:
    """Credits that were bought."""

    id: str
    credits: int
    amount: int
    currency: str
    paid_at: datetime


@dataclass(frozen=True, slots=True)
class CodeView:
    """A discount code as those see it who make them. `used`: redemptions, with those of Checkouts that are open."""

    id: str
    code: str
    percent: int
    cycles: int | None
    plan: str | None
    max_redemptions: int | None
    expires_at: datetime | None
    is_limited: bool
    used: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventView:
    """A message of Stripe's."""

    id: str
    type: str
    state: str
    attempts: int
    error_code: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionFigures:
    """How many subscriptions go on, each number up to MANY."""

    open: int
    overdue: int
    ending: int


@dataclass(frozen=True, slots=True)
class OwnedSubscription:
    """A subscription with whose it is, by the opaque id."""

    owner_id: str
    subscription: Subscription


def gateway_of(runtime: Runtime) -> Gateway:
    """Where people pay. Raises NotOnSale."""
    if runtime.payments is None:
        raise not_configured()
    return runtime.payments


def account_exists(runtime: Runtime, session: Session, account_id: str | None) -> bool:
    """Whether somebody has this account, in the caller's transaction."""
    try:
        return account_id is not None and not account_of(runtime, session, account_id).is_operator
    except NotFound:
        return False


def customer_id_of(runtime: Runtime, owner_id: str) -> str | None:
    """Who a person is at Stripe."""
    with runtime.database.read() as session:
        return session.scalar(select(CustomerRow.customer_id).where(CustomerRow.owner_id == owner_id))


def billing_of(runtime: Runtime, owner: Account) -> BillingView:
    """A person's subscription, and what is on its way."""
    with runtime.database.read() as session:
        is_customer = session.get(CustomerRow, owner.id) is not None
        subscription = open_subscription(runtime, owner.id) if is_customer else None
        waiting = (
            CheckoutRow.owner_id == owner.id,
            CheckoutRow.state == "open",
            CheckoutRow.expires_at > runtime.clock.now(),
        )
        is_waiting = session.scalar(select(CheckoutRow.id).where(*waiting).limit(1)) is not None
        mine = select(RefundRow).where(RefundRow.owner_id == owner.id).order_by(RefundRow.id.desc()).limit(20)
        refunds = tuple(_refund(row) for row in session.scalars(mine))
    return BillingView(is_customer, subscription, is_waiting, refunds)


def open_subscription(runtime: Runtime, owner_id: str) -> Subscription | None:
    """A person's subscription that goes on, the newest."""
    mine = (
        SubscriptionRow.owner_id == owner_id,
        SubscriptionRow.status.in_(OPEN),
        SubscriptionRow.ended_at.is_(None),
    )
    newest = select(SubscriptionRow).where(*mine).order_by(SubscriptionRow.started_at.desc()).limit(1)
    with runtime.database.read() as session:
        row = session.scalar(newest)
    return subscription_view(row) if row else None


def listed_prices(runtime: Runtime) -> dict[str, Price]:
    """What is sold here, as it costs at Stripe now, by lookup key. Raises PaymentFailed."""
    return gateway_of(runtime).find_prices()


def list_invoices(runtime: Runtime, owner_id: str, limit: int = 24) -> tuple[Invoice, ...]:
    """A person's invoices, as Stripe has them now. Raises PaymentFailed."""
    customer_id = customer_id_of(runtime, owner_id)
    return gateway_of(runtime).list_invoices(customer_id, limit) if customer_id else ()


def list_purchases(runtime: Runtime, owner_id: str) -> tuple[PurchaseView, ...]:
    """Credits a person bought, newest first."""
    mine = select(CheckoutRow).where(
        CheckoutRow.owner_id == owner_id, CheckoutRow.state == "paid", CheckoutRow.credit_micros > 0
    )
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(CheckoutRow.paid_at.desc())).all()
    return tuple(
        PurchaseView(row.id, row.credit_micros // MICROS, row.amount, row.currency, row.paid_at)
        for row in rows
        if row.paid_at is not None
    )


def list_codes(runtime: Runtime, limit: int = 50, cursor: str | None = None) -> Page[CodeView]:
    """Discount codes, newest first, and how often each was used."""
    wanted = select(DiscountCodeRow).order_by(DiscountCodeRow.id.desc()).limit(limit + 1)
    if cursor:
        wanted = wanted.where(DiscountCodeRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(wanted).all()
        shown = rows[:limit]
        mine = (RedemptionRow.state.in_(COUNTED), RedemptionRow.code_id.in_([row.id for row in shown]))
        counted = select(RedemptionRow.code_id, func.count()).where(*mine).group_by(RedemptionRow.code_id)
        used = dict(session.execute(counted).tuples().all())
    codes = tuple(code_view(row, used.get(row.id, 0)) for row in shown)
    return Page(codes, codes[-1].id if len(rows) > limit else None)


def list_subscriptions(
    runtime: Runtime, *, overdue: bool = False, limit: int = 200, cursor: str | None = None
) -> Page[OwnedSubscription]:
    """Subscriptions that go on, or only those whose period is not paid; the one that ends first at the top."""
    ends, mine = SubscriptionRow.period_end, SubscriptionRow.id
    with runtime.database.read() as session:
        last = session.scalar(select(ends).where(mine == cursor)) if cursor else None
        found = list[SubscriptionRow]()
        for state in OVERDUE if overdue else OPEN:  # each along its index; together they would be sorted first
            wanted = _going_on((state,)).order_by(ends, mine).limit(limit + 1)
            if last is not None:
                wanted = wanted.where(tuple_(ends, mine) > tuple_(last, cursor))
            found += session.scalars(wanted)
    rows = sorted(found, key=lambda row: (row.period_end, row.id))[: limit + 1]
    shown = tuple(OwnedSubscription(row.owner_id, subscription_view(row)) for row in rows[:limit])
    return Page(shown, shown[-1].subscription.id if len(rows) > limit else None)


def subscription_figures(runtime: Runtime) -> SubscriptionFigures:
    """Subscriptions that go on, those whose period is not paid, and those that end with it."""
    with runtime.database.read() as session:
        return SubscriptionFigures(
            open=count_up_to(session, _going_on(OPEN)),
            overdue=count_up_to(session, _going_on(OVERDUE)),
            ending=count_up_to(session, _going_on(OPEN).where(SubscriptionRow.ends_at.is_not(None))),
        )


def _going_on(states: Sequence[str]) -> Select[SubscriptionRow]:
    return select(SubscriptionRow).where(SubscriptionRow.status.in_(states), SubscriptionRow.ended_at.is_(None))


def list_refunds(runtime: Runtime, limit: int = 50) -> tuple[RefundView, ...]:
    """Money that goes back, newest first."""
    with runtime.database.read() as session:
        return tuple(
            _refund(row) for row in session.scalars(select(RefundRow).order_by(RefundRow.id.desc()).limit(limit))
        )


def list_events(runtime: Runtime, limit: int = 50) -> tuple[EventView, ...]:
    """Events that are not done, oldest first."""
    waiting = select(EventRow).where(EventRow.state == "received").order_by(EventRow.received_at).limit(limit)
    with runtime.database.read() as session:
        rows = session.scalars(waiting).all()
    return tuple(
        EventView(row.id, row.type, row.state, row.attempts, row.error_code, row.received_at) for row in rows
    )  # fmt: skip


def subscription_view(row: SubscriptionRow) -> Subscription:
    """A row as the domain knows it."""
    return Subscription(
        id=row.id,
        customer_id="",
        account_id=row.owner_id,
        status=row.status,
        plan=row.plan,
        interval=cast(Interval | None, row.interval),
        item_id=row.item_id,
        started_at=row.started_at,
        period_start=row.period_start,
        period_end=row.period_end,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        next_plan=row.next_plan,
        next_at=row.next_at,
        cents=row.cents,
        currency=row.currency,
    )


def code_view(row: DiscountCodeRow, used: int) -> CodeView:
    """A code without the addresses it is for: those cannot be read."""
    return CodeView(
        id=row.id,
        code=row.code,
        percent=row.percent,
        cycles=row.cycles,
        plan=row.plan,
        max_redemptions=row.max_redemptions,
        expires_at=row.expires_at,
        is_limited=row.is_limited,
        used=used,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _refund(row: RefundRow) -> RefundView:
    credits = row.credit_micros // MICROS
    return RefundView(row.id, row.owner_id, row.amount, row.currency, credits, row.state, row.created_at)
