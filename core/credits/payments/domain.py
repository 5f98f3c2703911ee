"""What is sold, what a subscription gives, when it is taken away, and what a withdrawal gives back. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from core.accounts.plans import PLANS
from core.shared.money import MICROS

Interval = Literal["monthly", "yearly"]
INTERVALS: tuple[Interval, ...] = ("monthly", "yearly")
CURRENCY = "eur"
PLAN_EUR = {plan.name: plan.price_eur for plan in PLANS.values() if plan.price_eur}
"""What a month of the plans that are sold costs, before tax."""
YEARLY_SHARE = Decimal("0.9")
PACK_CREDITS = 1_000
PACK_EUR = 10
PACKS_AT_MOST = 20
PACK_KEY = f"credits_{PACK_CREDITS}"
"""Lookup key of the price of a pack of credits."""
WITHDRAWAL = timedelta(days=14)
"""How long a person may withdraw (Directive 2011/83/EU, Art. 9), counted in whole days after that of the purchase."""
GRACE = timedelta(days=14)
"""How long a plan goes on from the day on which its period could not be paid."""
ENTITLED = ("active", "trialing")
OVERDUE = ("past_due", "unpaid")
OPEN = (*ENTITLED, *OVERDUE, "paused")
"""States of a subscription that has not ended, and whose first payment arrived."""
RANK = {name: place for place, name in enumerate(PLANS)}


@dataclass(frozen=True, slots=True)
class Offer:
    """Something with a price at Stripe, found by its lookup key. `cents`: EUR cents, before tax."""

    key: str
    name: str
    cents: int
    plan: str | None = None
    interval: Interval | None = None


def plan_cents(plan: str, interval: Interval) -> int:
    """What a plan costs each time it is paid, in EUR cents: a year is ten percent less than twelve months."""
    month = Decimal(PLAN_EUR[plan] * 100)
    return int(month) if interval == "monthly" else int(month * 12 * YEARLY_SHARE)


def offers() -> tuple[Offer, ...]:
    """All that is sold."""
    plans = (
        Offer(offer_key(plan, interval), f"stepIQ {PLANS[plan].title}", plan_cents(plan, interval), plan, interval)
        for plan in PLAN_EUR
        for interval in INTERVALS
    )
    return (*plans, Offer(PACK_KEY, f"stepIQ, {PACK_CREDITS:,} credits", PACK_EUR * 100))


def offer_key(plan: str, interval: Interval) -> str:
    """The lookup key of a plan's price, such as `starter_monthly`."""
    return f"{plan}_{interval}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as Stripe tells of it now.

    `plan` is None where its price is none of ours. `ends_at`: when it ends by itself, if it does. `next_plan` begins at
    `next_at`: a change that waits for the end of the period.
    """

    id: str
    customer_id: str
    account_id: str | None
    status: str
    plan: str | None
    interval: Interval | None
    item_id: str
    started_at: datetime
    period_start: datetime
    period_end: datetime
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    next_plan: str | None = None
    next_at: datetime | None = None
    cents: int = 0
    """What it costs each time, before tax and discounts, in the smallest unit of `currency`."""
    currency: str = CURRENCY

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.status in OPEN and self.ended_at is None

    @property
    def grace_end(self) -> datetime | None:
        """Until when the plan goes on although its period is not paid."""
        return self.period_start + GRACE if self.status in OVERDUE else None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The plan that was paid for, and another one from a later time if that is known."""

    plan: str = "free"
    next_plan: str | None = None
    next_at: datetime | None = None


def entitlement(subscriptions: Iterable[Subscription], now: datetime) -> Entitlement:
    """What a person's subscriptions give them now: the best of them counts."""
    given = [_given_by(each, now) for each in subscriptions]
    return max(given, key=lambda each: RANK[each.plan], default=Entitlement())


def _given_by(subscription: Subscription, now: datetime) -> Entitlement:
    plan, ends_at = subscription.plan, subscription.ends_at
    if plan is None or not subscription.is_open or subscription.status == "paused":
        return Entitlement()
    grace_end = subscription.grace_end
    if grace_end is not None:
        ends_at = min(grace_end, ends_at) if ends_at else grace_end
    if ends_at is not None:
        return Entitlement(plan, "free", ends_at) if ends_at > now else Entitlement()
    if subscription.next_plan is not None and subscription.next_at is not None and subscription.next_at > now:
        return Entitlement(plan, subscription.next_plan, subscription.next_at)
    return Entitlement(plan)


@dataclass(frozen=True, slots=True)
class CheckoutView:
    """A Checkout session as Stripe tells of it now. `checkout_id`: our own id of it. Amounts in the smallest unit."""

    id: str
    checkout_id: str | None
    customer_id: str | None
    account_id: str | None
    status: str
    is_paid: bool
    url: str | None
    subscription_id: str | None
    payment_id: str | None
    credits: int
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Price:
    """A price at Stripe."""

    id: str
    key: str
    cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that arrived, in the currency's smallest unit, and what of it was not given back yet."""

    id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as a person sees it. `url` is Stripe's own page of it."""

    number: str
    status: str
    total: int
    currency: str
    created_at: datetime
    url: str | None
    pdf: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: `kind` is subscription, checkout or refund."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Event:
    """A message of Stripe's whose signature was checked. What it says is not used: only what it is about."""

    id: str
    type: str
    subject: Subject | None


def subject_of(event_type: str, thing: Mapping[str, Any]) -> Subject | None:
    """What an event is about; None for one that changes nothing here."""
    named = str(thing.get("id", ""))
    family = event_type.rpartition(".")[0]
    if family == "checkout.session":
        return Subject("checkout", named)
    if event_type.startswith("customer.subscription."):
        return Subject("subscription", named)
    if family == "invoice":
        details = ((thing.get("parent") or {}).get("subscription_details") or {}).get("subscription")
        found = details or thing.get("subscription")  # `subscription`: before the API of March 2025
        return Subject("subscription", str(found)) if isinstance(found, str) else None
    if event_type.startswith("subscription_schedule.") and isinstance(thing.get("subscription"), str):
        return Subject("subscription", str(thing["subscription"]))
    return Subject("refund", named) if family == "refund" else None


def withdrawal_end(bought_at: datetime) -> datetime:
    """When the right of withdrawal ends: with the fourteenth day after that of the purchase (UTC)."""
    day = bought_at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + WITHDRAWAL + timedelta(days=1)


def unused_share(plan: str, interval: Interval, used_micros: int) -> Decimal:
    """Which part of a paid period was not used, from 0 to 1: the credits it gives less those used since it began."""
    monthly = PLANS[plan].monthly_credits
    if monthly is None:
        return Decimal(0)
    given = Decimal(monthly * MICROS * (12 if interval == "yearly" else 1))
    return min(Decimal(1), max(Decimal(0), 1 - Decimal(used_micros) / given))


def share_of(amount: int, share: Decimal) -> int:
    """A share of an amount of money, in its smallest unit; half a cent goes to the person."""
    return int((amount * share).to_integral_value(rounding=ROUND_HALF_UP))


def split_refund(amount: int, payments: Sequence[Payment]) -> tuple[tuple[Payment, int], ...]:
    """Which payment gives back how much: the newest first, none more than it has."""
    parts = []
    for payment in payments:
        part = min(amount, payment.amount)
        if part > 0:
            parts.append((payment, part))
            amount -= part
    return tuple(parts)


def clean_code(code: str) -> str:
    """A discount code as it is kept and compared."""
    return "".join(code.split()).upper()


def format_money(amount: int, currency: str) -> str:
    """`19.00 EUR`, from the smallest unit of a currency with cents."""
    return f"{amount / 100:,.2f} {currency.upper()}"
