"""Opening Checkout and the Portal, and what follows once Stripe says how a Checkout ended.

Claim, call, record: our row (with the use of a discount code) is written first, then Stripe is asked under its id, then
the session is noted. A crash between leaves a row whose repetition opens the same session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.queries import get_account
from core.credits import postings
from core.credits.payments.discounts import count_guess, coupon_for, end_reservation, reserve
from core.credits.payments.domain import (
    CURRENCY,
    INTERVALS,
    OVERDUE,
    PACK_CREDITS,
    PACK_KEY,
    PACKS_AT_MOST,
    PLAN_EUR,
    CheckoutView,
    Interval,
    Price,
    Subscription,
    offer_key,
)
from core.credits.payments.errors import NotOnSale
from core.credits.payments.gateway import CheckoutOrder, Coupon, Gateway, PlanChange
from core.credits.payments.models import CheckoutRow, CustomerRow, DiscountCodeRow
from core.credits.payments.notices import BILLING
from core.credits.payments.postings import lock_customer
from core.credits.payments.queries import account_exists, customer_id_of, gateway_of, open_subscription
from core.credits.payments.subscriptions import add_customer, refresh_subscription
from core.platform.idempotency import Once, answer_once, answered_before
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, NotFound
from core.shared.money import MICROS

LIFE = timedelta(hours=1)
"""How long a Checkout may be paid; Stripe takes no less than half an hour."""

CLAIM = timedelta(minutes=1)
"""How long a Checkout may take to be opened; after that its process is taken for dead."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants: a plan with its interval, or credits."""

    plan: str | None = None
    interval: Interval = "monthly"
    credits: int = 0
    code: str | None = None

    @property
    def price_key(self) -> str:
        """The price it has."""
        return PACK_KEY if self.plan is None else offer_key(self.plan, self.interval)

    @property
    def quantity(self) -> int:
        """How many of it."""
        return self.credits // PACK_CREDITS if self.plan is None else 1


def open_checkout(runtime: Runtime, owner: Account, order: Order, *, once: Once | None = None) -> str:
    """The address of Stripe's page where this is paid; for who has a subscription, where its change is confirmed.

    Raises InvalidInput, NotOnSale, Conflict, CodeRefused, PaymentFailed.
    """
    gateway = _check(runtime, order)
    customer_id = _customer(runtime, gateway, owner)
    _close_earlier(runtime, gateway, owner, once)
    price = _price(gateway, order.price_key)
    current = open_subscription(runtime, owner.id) if order.plan is not None else None
    if current is not None:
        return _change(runtime, gateway, customer_id, current, order, price)
    if order.plan is not None and get_account(runtime, owner.id).plan == "enterprise":
        message = "Your plan was agreed on, and gives more than this one. Write to us to change it."
        raise Conflict("PLAN_AGREED", message)
    if order.code:
        count_guess(runtime, owner)
    claimed = _claim(runtime, owner, order, once)
    if claimed.session_id is not None:
        known = gateway.get_checkout(claimed.session_id)
        if known is None or known.url is None:
            raise Conflict("CHECKOUT_OVER", "This Checkout was paid or left. Begin again, under a new Idempotency-Key.")
        return known.url
    if claimed.coupon is not None:
        gateway.ensure_coupon(claimed.coupon)
    opened = gateway.open_checkout(
        CheckoutOrder(
            id=claimed.id,
            account_id=owner.id,
            customer_id=customer_id,
            price_id=price.id,
            is_plan=order.plan is not None,
            quantity=order.quantity,
            credits=order.credits,
            coupon_id=claimed.coupon.id if claimed.coupon else None,
            language=owner.language,
            return_url=runtime.settings.public_url + BILLING,
            expires_at=claimed.expires_at,
        )
    )
    with runtime.database.write() as session:
        session.execute(update(CheckoutRow).where(CheckoutRow.id == claimed.id).values(session_id=opened.id))
    assert opened.url is not None
    return opened.url


def open_portal(runtime: Runtime, owner: Account) -> str:
    """The address of the Portal: payment method, invoices, cancelling. Raises NotFound, NotOnSale, PaymentFailed."""
    gateway = gateway_of(runtime)
    customer_id = customer_id_of(runtime, owner.id)
    if customer_id is None:
        raise NotFound("NO_CUSTOMER", "You bought nothing yet: choose a plan first.")
    return gateway.open_portal(customer_id, runtime.settings.public_url + BILLING)


def refresh_checkout(runtime: Runtime, session_id: str) -> bool:
    """Ask Stripe how a Checkout ended, and let what was bought follow; answers whether it is somebody's here.

    A session never goes back from where it is, so an older answer does no harm: nothing happens twice.
    """
    found = gateway_of(runtime).get_checkout(session_id)
    if found is None or not _record(runtime, found):
        return False
    if found.subscription_id is not None and found.status == "complete":
        refresh_subscription(runtime, found.subscription_id)
    return True


def free_lost_checkouts(runtime: Runtime) -> int:
    """End the rows of Checkouts that are over and of which no event told; answers how many."""
    now = runtime.clock.now()
    over = select(CheckoutRow).where(CheckoutRow.state == "open", CheckoutRow.expires_at < now - LIFE)
    with runtime.database.read() as session:
        rows = session.scalars(over.order_by(CheckoutRow.id).limit(500)).all()
    for row in rows:
        if row.session_id is not None:
            refresh_checkout(runtime, row.session_id)
        else:  # claimed, and the process died before Stripe was asked
            _leave(runtime, row.id)
    return len(rows)


def _check(runtime: Runtime, order: Order) -> Gateway:
    gateway = gateway_of(runtime)
    if not gateway.is_ready:
        message = "Payments cannot be confirmed yet: an operator must set STRIPE_WEBHOOK_SECRET. Nothing was charged."
        raise NotOnSale("PAYMENT_NOT_READY", message)
    if order.plan is None:
        most = PACK_CREDITS * PACKS_AT_MOST
        if not 0 < order.credits <= most or order.credits % PACK_CREDITS:
            message = f"Credits are sold in thousands, from {PACK_CREDITS:,} to {most:,}."
            raise InvalidInput("INVALID_CREDITS", message, field="credits")
        if order.code:
            raise InvalidInput("CODE_FOR_PLANS", "A discount code counts for a plan.", field="discount_code")
    elif order.plan not in PLAN_EUR or order.credits:
        message = f"Choose one of the plans {', '.join(PLAN_EUR)}, or a number of credits. Free is where a plan ends."
        raise InvalidInput("UNKNOWN_PLAN", message, field="plan")
    elif order.interval not in INTERVALS:
        raise InvalidInput("UNKNOWN_INTERVAL", "Choose monthly or yearly.", field="interval")
    return gateway


def _customer(runtime: Runtime, gateway: Gateway, owner: Account) -> str:
    known = customer_id_of(runtime, owner.id)
    if known is not None:
        return known
    made = gateway.create_customer(owner.id, owner.email, owner.language)
    with runtime.database.write() as session:
        add_customer(runtime, session, owner.id, made)
        session.flush()
        return session.scalars(select(CustomerRow.customer_id).where(CustomerRow.owner_id == owner.id)).one()


def _price(gateway: Gateway, key: str) -> Price:
    price = gateway.find_prices().get(key)
    if price is None:
        raise NotOnSale("NOT_ON_SALE", "This has no price at our payment service: an operator runs the billing setup.")
    return price


def _close_earlier(runtime: Runtime, gateway: Gateway, owner: Account, once: Once | None) -> None:
    """End what the person left open, so that nothing can be paid twice; of what was paid meanwhile, learn it."""
    mine = (CheckoutRow.owner_id == owner.id, CheckoutRow.state == "open", CheckoutRow.session_id.is_not(None))
    with runtime.database.read() as session:
        if answered_before(runtime, session, owner.id, once) is not None:
            return  # this request comes again, and what is open is its own
        opened = session.scalars(select(CheckoutRow.session_id).where(*mine)).all()
    for session_id in filter(None, opened):
        gateway.expire_checkout(session_id)
        refresh_checkout(runtime, session_id)


def _change(
    runtime: Runtime, gateway: Gateway, customer_id: str, current: Subscription, order: Order, price: Price
) -> str:
    back = runtime.settings.public_url + BILLING
    if order.code:
        message = "A discount code counts for a new subscription, and yours goes on. Nothing was changed."
        raise InvalidInput("CODE_FOR_NEW", message, field="discount_code")
    if current.status in OVERDUE:
        return gateway.open_portal(customer_id, back)  # first what is due
    if (current.plan, current.interval) == (order.plan, order.interval):
        if current.ends_at is not None or current.next_plan is not None:
            return gateway.open_portal(customer_id, back)  # where the end, or the change, is taken back
        raise Conflict("SAME_PLAN", "You have this plan already.")
    return gateway.open_portal(customer_id, back, PlanChange(current, price.id))


@dataclass(frozen=True, slots=True)
class _Claimed:
    """Our row of a Checkout; with a session where Stripe was asked already."""

    id: str
    session_id: str | None
    expires_at: datetime
    coupon: Coupon | None


def _claim(runtime: Runtime, owner: Account, order: Order, once: Once | None) -> _Claimed:
    """Write our row, or find that of the same request."""
    now, checkout_id = runtime.clock.now(), runtime.ids.new()
    with runtime.database.write() as session:
        lock_customer(session, owner.id)
        answer = answer_once(runtime, session, owner.id, once, checkout_id)
        if answer != checkout_id:
            row = session.get_one(CheckoutRow, answer)
            code = session.get(DiscountCodeRow, row.code_id) if row.code_id else None
        else:
            _make_way(session, owner, now)
            row = CheckoutRow(
                id=checkout_id,
                owner_id=owner.id,
                price_key=order.price_key,
                quantity=order.quantity,
                credit_micros=order.credits * MICROS,
                state="open",
                amount=0,
                currency=CURRENCY,
                created_at=now,
                expires_at=now + LIFE,
            )
            code = None
            if order.code and order.plan is not None:
                code = reserve(runtime, session, owner, order.code, plan=order.plan, checkout_id=checkout_id)
                row.code_id = code.id
            session.add(row)
        coupon = coupon_for(code, order.interval) if code else None
        return _Claimed(row.id, row.session_id, row.expires_at, coupon)


def _make_way(session: Session, owner: Account, now: datetime) -> None:
    """Of one person's Checkouts one may be open: two could both be paid. Raises Conflict CHECKOUT_OPEN."""
    mine = select(CheckoutRow).where(CheckoutRow.owner_id == owner.id, CheckoutRow.state == "open")
    for row in session.scalars(mine):
        if row.session_id is not None or row.created_at > now - CLAIM:
            message = "Another Checkout of yours is just being opened. Pay there, or try again in a minute."
            raise Conflict("CHECKOUT_OPEN", message)
        row.state = "left"  # its process died before it could tell anybody the address
        end_reservation(session, row.id, redeemed=False)


def _record(runtime: Runtime, found: CheckoutView) -> bool:
    """Write how a Checkout ended, and give the credits that were bought with it."""
    if found.checkout_id is None:
        return False  # opened by somebody else on the same account at Stripe
    with runtime.database.write() as session:
        owner_id = session.scalar(select(CustomerRow.owner_id).where(CustomerRow.customer_id == found.customer_id))
        if owner_id is None or not account_exists(runtime, session, owner_id):
            return False
        lock_customer(session, owner_id)
        row = session.get(CheckoutRow, found.checkout_id) or _restored(runtime, owner_id, found)
        session.add(row)
        row.session_id = found.id
        if found.status == "complete" and found.is_paid and row.state != "paid":
            row.state, row.paid_at = "paid", runtime.clock.now()
            row.amount, row.currency, row.payment_id = found.amount, found.currency, found.payment_id
            end_reservation(session, row.id, redeemed=True)
            if row.credit_micros:
                cause = f"checkout:{row.id}"
                postings.purchase(runtime, session, owner_id, micros=row.credit_micros, cause=cause)
        elif found.status == "expired" and row.state == "open":
            row.state = "left"
            end_reservation(session, row.id, redeemed=False)
    return True


def _restored(runtime: Runtime, owner_id: str, found: CheckoutView) -> CheckoutRow:
    """The row of a Checkout that a backup, put back since, did not have."""
    now = runtime.clock.now()
    return CheckoutRow(
        id=found.checkout_id,
        owner_id=owner_id,
        price_key=PACK_KEY if found.credits else "",
        quantity=1,
        credit_micros=found.credits * MICROS,
        state="open",
        amount=0,
        currency=found.currency,
        created_at=now,
        expires_at=now + LIFE,
    )


def _leave(runtime: Runtime, checkout_id: str) -> None:
    with runtime.database.write() as session:
        session.execute(update(CheckoutRow).where(CheckoutRow.id == checkout_id).values(state="left"))
        end_reservation(session, checkout_id, redeemed=False)
