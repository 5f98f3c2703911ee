"""The port to who takes the money: everything that this installation asks of it, in our own words.

No card number is in any of it: people type theirs on Stripe's own pages, Checkout and the Portal.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.credits.payments.domain import (
    CheckoutView,
    Event,
    Invoice,
    Offer,
    Payment,
    Price,
    Subscription,
)


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What a Checkout is opened for. `id` is ours, and makes a repetition the same Checkout."""

    id: str
    account_id: str
    customer_id: str
    price_id: str
    is_plan: bool
    quantity: int
    credits: int
    coupon_id: str | None
    language: str
    return_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PlanChange:
    """A change of a subscription that its person confirms on Stripe's page."""

    subscription: Subscription
    price_id: str


@dataclass(frozen=True, slots=True)
class Coupon:
    """A discount at Stripe. `months`: for how long it counts; None: for the first payment only, or for ever."""

    id: str
    percent: int
    months: int | None
    is_forever: bool
    max_redemptions: int | None


class Gateway(Protocol):
    """Every method may raise PaymentFailed. None is called while a transaction is open."""

    @property
    def is_ready(self) -> bool:
        """Whether payments could be confirmed: the webhook's secret is known."""

    def read_event(self, body: bytes, signature: str, now: datetime) -> Event:
        """Check a message's signature over its raw body. Raises InvalidInput BAD_SIGNATURE."""

    def create_customer(self, account_id: str, email: str, language: str) -> str: ...

    def update_customer(self, customer_id: str, email: str, language: str) -> None:
        """Tell a corrected address and language; nothing where there is no such customer."""

    def delete_customer(self, customer_id: str) -> None:
        """Delete a customer, which ends their subscriptions; nothing where there is none."""

    def has_customer(self, customer_id: str) -> bool:
        """Whether there is such a customer, and it was not deleted."""

    def find_prices(self) -> dict[str, Price]:
        """The prices of our offers that there are, by lookup key."""

    def create_price(self, offer: Offer) -> Price: ...

    def set_up_portal(self, return_url: str) -> None:
        """Let the Portal change plans: up at once, down at the end of the period."""

    def create_endpoint(self, url: str) -> str | None:
        """Have events sent to an address; answers the secret of the endpoint, None where there is one already."""

    def ensure_coupon(self, coupon: Coupon) -> None: ...

    def open_checkout(self, order: CheckoutOrder) -> CheckoutView: ...

    def get_checkout(self, session_id: str) -> CheckoutView | None: ...

    def expire_checkout(self, session_id: str) -> None:
        """Close a Checkout that is still open; nothing where it is not."""

    def open_portal(self, customer_id: str, return_url: str, change: PlanChange | None = None) -> str: ...

    def get_subscription(self, subscription_id: str) -> Subscription | None: ...

    def list_subscriptions(self, customer_id: str) -> tuple[str, ...]:
        """The ids of all of a customer's, ended ones too."""

    def cancel_subscription(self, subscription_id: str) -> None:
        """End it now, without an invoice; nothing where it has ended."""

    def list_payments(self, subscription_id: str) -> tuple[Payment, ...]:
        """What arrived for a subscription, newest first."""

    def refund(self, refund_id: str, payment_id: str, amount: int) -> str:
        """Give money back, once for each `refund_id`, however often it is asked. Answers Stripe's id of it."""

    def get_refund(self, stripe_id: str) -> tuple[str | None, str] | None:
        """Our id of a refund, and its state at Stripe: pending, succeeded, failed, canceled."""

    def list_invoices(self, customer_id: str, limit: int) -> tuple[Invoice, ...]: ...
