"""Money that goes back: the withdrawal of a subscription, and of bought credits, within 14 days (2011/83/EU, Art. 9).

Claim, call, record: the credits are taken back in the transaction that claims the money; then Stripe is asked, under
the claim's id, so that a repetition gives nothing twice; then what it answered is noted. A claim that was left by a
crash is sent by the job.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.sessions import check_confirmed
from core.credits import postings
from core.credits.models import CreditAccount, LedgerTransaction
from core.credits.payments.discounts import check_billing_role
from core.credits.payments.domain import (
    Entitlement,
    Payment,
    Subscription,
    share_of,
    split_refund,
    unused_share,
    withdrawal_end,
)
from core.credits.payments.models import CheckoutRow, RefundRow, SubscriptionRow
from core.credits.payments.postings import end_month, give_plan, lock_customer
from core.credits.payments.queries import gateway_of, open_subscription, subscription_view
from core.credits.payments.subscriptions import is_withdrawn, refresh_subscription
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, NotFound
from core.shared.money import MICROS

log = get_logger("payments")


@dataclass(frozen=True, slots=True)
class RefundOffer:
    """What would be given back now. `subject_id`: the subscription, or the purchase. `until`: end of the right."""

    subject_id: str
    amount: int
    paid: int
    currency: str
    until: datetime
    credits: int = 0
    """Of bought credits, how many are left and go with it."""


def subscription_offer(runtime: Runtime, owner_id: str) -> RefundOffer | None:
    """What a withdrawal of the subscription gives back now; None without one. Raises PaymentFailed."""
    current = open_subscription(runtime, owner_id)
    if current is None or current.plan is None or current.interval is None:
        return None
    payments = gateway_of(runtime).list_payments(current.id)
    paid = sum(payment.amount for payment in payments)
    with runtime.database.read() as session:
        share = _unused(session, owner_id, current)
    currency = payments[0].currency if payments else "eur"
    return RefundOffer(current.id, share_of(paid, share), paid, currency, withdrawal_end(current.started_at))


def purchase_offers(runtime: Runtime, owner_id: str) -> tuple[RefundOffer, ...]:
    """What of bought credits could be given back now, the newest first: only what is not used."""
    with runtime.database.read() as session:
        mine = select(CheckoutRow).where(
            CheckoutRow.owner_id == owner_id, CheckoutRow.state == "paid", CheckoutRow.credit_micros > 0
        )
        rows = session.scalars(mine.order_by(CheckoutRow.paid_at.desc())).all()
        account = session.get(CreditAccount, owner_id)
        left = account.available_micros - account.monthly_micros if account else 0
        refunded = set(session.scalars(select(RefundRow.cause).where(RefundRow.owner_id == owner_id)))
    offers = []
    for row in rows:
        if row.id in refunded or row.paid_at is None:
            continue
        unused = min(left, row.credit_micros)
        left -= unused
        amount = share_of(row.amount, Decimal(unused) / row.credit_micros)
        until = withdrawal_end(row.paid_at)
        if amount > 0:
            offers.append(RefundOffer(row.id, amount, row.amount, row.currency, until, unused // MICROS))
    return tuple(offers)


def withdraw_subscription(runtime: Runtime, by: SessionView, owner_id: str | None = None) -> int:
    """End a subscription and give back the part that was not used; answers how much, in cents.

    Its own person's act within 14 days, or that of accounting at any time. Once it is claimed the rest follows by
    itself: what Stripe cannot do now, the job does later.

    Raises Forbidden, Conflict WITHDRAWAL_OVER, NotFound, PaymentFailed (nothing is changed then).
    """
    own = owner_id is None
    owner_id = _allowed(runtime, by, owner_id)
    found = open_subscription(runtime, owner_id)
    if found is None:
        raise NotFound("NO_SUBSCRIPTION", "There is no subscription that goes on.")
    refresh_subscription(runtime, found.id)
    payments = gateway_of(runtime).list_payments(found.id)
    amount = _claim_subscription(runtime, by, owner_id, found.id, payments, own=own)
    send_refunds(runtime, owner_id)
    return amount


def withdraw_purchase(runtime: Runtime, by: SessionView, purchase_id: str, owner_id: str | None = None) -> int:
    """Give back the money for bought credits that were not used, in cents; those credits go.

    Raises Forbidden, Conflict WITHDRAWAL_OVER or NOTHING_UNUSED, NotFound.
    """
    own = owner_id is None
    owner_id = _allowed(runtime, by, owner_id)
    gateway_of(runtime)
    now = runtime.clock.now()
    with runtime.database.write() as session:
        lock_customer(session, owner_id)
        row = session.get(CheckoutRow, purchase_id)
        if row is None or row.owner_id != owner_id or row.paid_at is None or row.payment_id is None:
            raise NotFound("PURCHASE_NOT_FOUND", "There is no such purchase of credits.")
        if own:
            _check_time(row.paid_at, now)
        if session.scalar(select(RefundRow.id).where(RefundRow.cause == row.id)) is not None:
            raise Conflict("REFUNDED_ALREADY", "This purchase was given back already.")
        taken = postings.refund(runtime, session, owner_id, at_most=row.credit_micros, cause=f"withdrawal:{row.id}")
        amount = share_of(row.amount, Decimal(taken) / row.credit_micros) if row.credit_micros else 0
        if amount <= 0:
            raise Conflict("NOTHING_UNUSED", "All of these credits are used, or held by runs. Nothing was changed.")
        payment = Payment(row.payment_id, row.amount, row.currency)
        _claim(runtime, session, by, owner_id, row.id, ((payment, amount),), credits=taken)
    send_refunds(runtime, owner_id)
    return amount


def send_refunds(runtime: Runtime, owner_id: str | None = None) -> int:
    """Have Stripe send the money that was claimed; answers how much of it went out.

    What Stripe cannot take now stays claimed, and is tried again by the job.
    """
    claimed = select(RefundRow).where(RefundRow.state == "claimed").order_by(RefundRow.id).limit(500)
    if owner_id is not None:
        claimed = claimed.where(RefundRow.owner_id == owner_id)
    with runtime.database.read() as session:
        rows = session.scalars(claimed).all()
    sent = 0
    for row in rows:
        try:
            if row.credit_micros == 0:
                refresh_subscription(runtime, row.cause)  # ends it, for it was withdrawn
            stripe_id = gateway_of(runtime).refund(row.id, row.payment_id, row.amount)
        except AppError as error:
            log.error("payments.refund_waits", refund=row.id, code=error.code)
            continue
        _mark(runtime, row.id, "sent", stripe_id)
        refresh_refund(runtime, stripe_id)
        sent += 1
    return sent


def refresh_refund(runtime: Runtime, stripe_id: str) -> bool:
    """Ask Stripe what became of a refund; answers whether it is one of ours."""
    found = gateway_of(runtime).get_refund(stripe_id)
    if found is None:
        return False
    refund_id, status = found
    state = {"succeeded": "done", "failed": "failed", "canceled": "failed"}.get(status, "sent")
    return refund_id is not None and _mark(runtime, refund_id, state, stripe_id)


def _allowed(runtime: Runtime, by: SessionView, owner_id: str | None) -> str:
    check_confirmed(runtime, by)
    if owner_id is None:
        return by.account.id
    check_billing_role(by)
    return owner_id


def _check_time(bought_at: datetime, now: datetime) -> None:
    if now >= withdrawal_end(bought_at):
        day = withdrawal_end(bought_at) - timedelta(days=1)
        message = f"The 14 days for this ended on {day:%Y-%m-%d}. You can cancel to the end of the period instead."
        raise Conflict("WITHDRAWAL_OVER", message)


def _claim_subscription(
    runtime: Runtime, by: SessionView, owner_id: str, subscription_id: str, payments: tuple[Payment, ...], *, own: bool
) -> int:
    with runtime.database.write() as session:
        customer = lock_customer(session, owner_id)
        row = session.get(SubscriptionRow, subscription_id)
        gone = row is None or not subscription_view(row).is_open or is_withdrawn(session, subscription_id)
        if customer is None or row is None or gone:
            raise NotFound("NO_SUBSCRIPTION", "There is no subscription that goes on.")
        current = subscription_view(row)
        if own:
            _check_time(current.started_at, runtime.clock.now())
        share = _unused(session, owner_id, current)
        parts = split_refund(share_of(sum(payment.amount for payment in payments), share), payments)
        if not parts:
            message = "All that was paid for is used, so nothing would come back. Cancel to the end of the period."
            raise Conflict("NOTHING_UNUSED", message)
        _claim(runtime, session, by, owner_id, subscription_id, parts)
        row.status, row.ended_at = "canceled", runtime.clock.now()
        give_plan(runtime, session, customer, Entitlement(), actor_id=by.account.id)
        end_month(runtime, session, owner_id, cause=f"withdrawal:{subscription_id}")
    return sum(amount for _, amount in parts)


def _claim(
    runtime: Runtime,
    session: Session,
    by: SessionView,
    owner_id: str,
    cause: str,
    parts: tuple[tuple[Payment, int], ...],
    credits: int = 0,
) -> None:
    now = runtime.clock.now()
    for position, (payment, amount) in enumerate(parts):
        session.add(
            RefundRow(
                id=runtime.ids.new(),
                owner_id=owner_id,
                cause=cause,
                position=position,
                payment_id=payment.id,
                amount=amount,
                currency=payment.currency,
                credit_micros=credits,
                state="claimed",
                actor_id=by.account.id,
                created_at=now,
            )
        )
    total = sum(amount for _, amount in parts)
    record_act(
        runtime, session, "payment.refunded", actor_id=by.account.id, subject_id=owner_id, cause=cause, cents=total
    )  # fmt: skip


def _unused(session: Session, owner_id: str, current: Subscription) -> Decimal:
    """Which part of a subscription was not used since it began."""
    if current.plan is None or current.interval is None:
        return Decimal(0)
    spent = select(func.coalesce(func.sum(LedgerTransaction.spent_micros), 0)).where(
        LedgerTransaction.owner_id == owner_id, LedgerTransaction.created_at >= current.started_at
    )
    return unused_share(current.plan, current.interval, int(session.scalar(spent) or 0))


def _mark(runtime: Runtime, refund_id: str, state: str, stripe_id: str) -> bool:
    """Note how far a refund is; one that has ended stays ended."""
    mine = update(RefundRow).where(RefundRow.id == refund_id, RefundRow.state.in_(("claimed", "sent")))
    done_at = runtime.clock.now() if state == "done" else None
    with runtime.database.write() as session:
        values = {"state": state, "stripe_id": stripe_id, "done_at": done_at}
        return session.scalar(mine.values(values).returning(RefundRow.id)) is not None
