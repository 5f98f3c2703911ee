"""The port to Stripe, by its SDK. The version of its API is the SDK's own, pinned with it.

The address and the key are the operator's (docs/decisions/0004). Requests are made in the thread that asks, so none is
made on the event loop. The SDK tells Stripe nothing about this machine beyond its own name and Python's version.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import stripe
from stripe import StripeClient, StripeObject

from core.credits.payments.domain import (
    CURRENCY,
    PLAN_EUR,
    CheckoutView,
    Event,
    Interval,
    Invoice,
    Offer,
    Payment,
    Price,
    Subscription,
    offers,
    subject_of,
)
from core.credits.payments.errors import refused, unreachable
from core.credits.payments.gateway import CheckoutOrder, Coupon, PlanChange
from core.platform.logging import get_logger
from core.shared.errors import InvalidInput

T = TypeVar("T")
TIMEOUT_SECONDS = 20.0
RETRIES = 2
TOLERANCE = timedelta(minutes=5)
ACCOUNT, CHECKOUT, PLAN, CREDITS, REFUND = (
    f"stepiq_{name}" for name in ("account", "checkout", "plan", "credits", "refund")
)
"""What we note on Stripe's objects, so that they are known again: opaque ids and figures."""
EVENTS = (
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "subscription_schedule.updated",
    "subscription_schedule.canceled",
    "invoice.paid",
    "invoice.payment_failed",
    "refund.updated",
    "refund.failed",
)
log = get_logger("payments")
stripe.enable_telemetry = False


class StripeGateway:
    """The port over one account at Stripe."""

    def __init__(self, secret_key: str, webhook_secret: str, api_base: str, *, retries: int = RETRIES) -> None:
        self._webhook_secret = webhook_secret
        self._client = StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        )

    @property
    def is_ready(self) -> bool:
        """Whether payments could be confirmed."""
        return bool(self._webhook_secret)

    def read_event(self, body: bytes, signature: str, now: datetime) -> Event:
        """Check a message. The SDK compares with the machine's clock, so the time is compared here."""
        forged = InvalidInput("BAD_SIGNATURE", "The signature does not fit the body, or its time is not now.")
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret, None)
            sent_at = next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
            if abs(now.timestamp() - sent_at) > TOLERANCE.total_seconds():
                raise forged
            told = json.loads(body)
            return Event(str(told["id"]), str(told["type"]), subject_of(told["type"], told["data"]["object"]))
        except (stripe.SignatureVerificationError, ValueError, LookupError, TypeError, AttributeError):
            raise forged from None

    def create_customer(self, account_id: str, email: str, language: str) -> str:
        """A customer, the same one for as long as nothing about the person changes."""
        params: Any = {"email": email, "preferred_locales": [language], "metadata": {ACCOUNT: account_id}}
        about = hashlib.sha256(f"{email}\n{language}".encode()).hexdigest()[:16]
        with _translated():
            return self._client.v1.customers.create(params, _once(f"customer:{account_id}:{about}")).id

    def update_customer(self, customer_id: str, email: str, language: str) -> None:
        """Bring a customer's address and language up to date."""
        params: Any = {"email": email, "preferred_locales": [language]}
        _maybe(lambda: self._client.v1.customers.update(customer_id, params))

    def delete_customer(self, customer_id: str) -> None:
        """Delete a customer."""
        _maybe(lambda: self._client.v1.customers.delete(customer_id))

    def has_customer(self, customer_id: str) -> bool:
        """Whether a customer is known: of a deleted one Stripe tells that it was."""
        found = _maybe(lambda: self._client.v1.customers.retrieve(customer_id))
        return found is not None and not found.to_dict().get("deleted")

    def find_prices(self) -> dict[str, Price]:
        """The active prices of our offers."""
        keys = [offer.key for offer in offers()]
        with _translated():
            found = self._client.v1.prices.list({"lookup_keys": keys, "active": True, "limit": 100})
            prices = (_price(each) for each in found.auto_paging_iter())
            return {price.key: price for price in prices}

    def create_price(self, offer: Offer) -> Price:
        """A product with a price that is found by the offer's key."""
        params: Any = {
            "currency": CURRENCY,
            "unit_amount": offer.cents,
            "lookup_key": offer.key,
            "tax_behavior": "exclusive",
            "metadata": {PLAN: offer.plan or ""},
            "product_data": {"name": offer.name},
        }
        if offer.interval:
            params["recurring"] = {"interval": "month" if offer.interval == "monthly" else "year"}
        with _translated():
            return _price(self._client.v1.prices.create(params, _once(f"price:{offer.key}:{offer.cents}")))

    def set_up_portal(self, return_url: str) -> None:
        """Make our configuration of the Portal the default one, or bring it up to date."""
        with _translated():
            found = self._client.v1.prices.list({"lookup_keys": [offer.key for offer in offers() if offer.plan]})
            products: dict[str, list[str]] = {}
            for price in found.data:
                products.setdefault(str(price.product), []).append(price.id)
            features: Any = {
                "customer_update": {"enabled": True, "allowed_updates": ["address", "tax_id", "name"]},
                "invoice_history": {"enabled": True},
                "payment_method_update": {"enabled": True},
                "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
                "subscription_update": {
                    "enabled": True,
                    "default_allowed_updates": ["price"],
                    "proration_behavior": "always_invoice",
                    "products": [{"product": product, "prices": prices} for product, prices in products.items()],
                    "schedule_at_period_end": {
                        "conditions": [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
                    },
                },
            }
            params: Any = {"features": features, "default_return_url": return_url, "metadata": {PLAN: "portal"}}
            for known in self._client.v1.billing_portal.configurations.list({"active": True}).data:
                if _noted(known, PLAN) == "portal":
                    self._client.v1.billing_portal.configurations.update(known.id, params)
                    return
            self._client.v1.billing_portal.configurations.create(params)

    def create_endpoint(self, url: str) -> str | None:
        """Have our events sent to an address, unless they are already."""
        params: Any = {"url": url, "enabled_events": list(EVENTS), "api_version": stripe.api_version}
        with _translated():
            if any(known.url == url for known in self._client.v1.webhook_endpoints.list({"limit": 100}).data):
                return None
            return self._client.v1.webhook_endpoints.create(params).secret

    def ensure_coupon(self, coupon: Coupon) -> None:
        """A coupon under an id of ours, made where there is none."""
        params: Any = {
            "id": coupon.id,
            "percent_off": float(coupon.percent),
            "duration": "forever" if coupon.is_forever else "once",
        }
        if coupon.months is not None:
            params |= {"duration": "repeating", "duration_in_months": coupon.months}
        if coupon.max_redemptions is not None:
            params["max_redemptions"] = coupon.max_redemptions
        if _maybe(lambda: self._client.v1.coupons.retrieve(coupon.id)) is None:
            with _translated():
                self._client.v1.coupons.create(params, _once(f"coupon:{coupon.id}"))

    def open_checkout(self, order: CheckoutOrder) -> CheckoutView:
        """A Checkout session; the same one for the same order."""
        noted = {ACCOUNT: order.account_id, CHECKOUT: order.id, CREDITS: str(order.credits)}
        params: Any = {
            "mode": "subscription" if order.is_plan else "payment",
            "customer": order.customer_id,
            "client_reference_id": order.account_id,
            "line_items": [{"price": order.price_id, "quantity": order.quantity}],
            "success_url": f"{order.return_url}?checkout=done",
            "cancel_url": f"{order.return_url}?checkout=left",
            "expires_at": int(order.expires_at.timestamp()),
            "locale": order.language,
            "billing_address_collection": "required",
            "customer_update": {"address": "auto", "name": "auto"},
            "tax_id_collection": {"enabled": True},
            "metadata": noted,
        }
        if order.is_plan:
            params["subscription_data"] = {"metadata": {ACCOUNT: order.account_id}}
        else:
            params["invoice_creation"] = {"enabled": True}
            params["payment_intent_data"] = {"metadata": {ACCOUNT: order.account_id}}
        if order.coupon_id:
            params["discounts"] = [{"coupon": order.coupon_id}]
        with _translated():
            return _checkout(self._client.v1.checkout.sessions.create(params, _once(f"checkout:{order.id}")))

    def get_checkout(self, session_id: str) -> CheckoutView | None:
        """A Checkout session as it is now."""
        return _map(_checkout, _maybe(lambda: self._client.v1.checkout.sessions.retrieve(session_id)))

    def expire_checkout(self, session_id: str) -> None:
        """Close a Checkout that is open."""
        found = self.get_checkout(session_id)
        if found is not None and found.status == "open":
            _maybe(lambda: self._client.v1.checkout.sessions.expire(session_id))

    def open_portal(self, customer_id: str, return_url: str, change: PlanChange | None = None) -> str:
        """The address of the Portal, on the page that confirms a change where there is one."""
        params: Any = {"customer": customer_id, "return_url": return_url}
        if change is not None:
            item = {"id": change.subscription.item_id, "price": change.price_id, "quantity": 1}
            confirm = {"subscription": change.subscription.id, "items": [item]}
            params["flow_data"] = {"type": "subscription_update_confirm", "subscription_update_confirm": confirm}
            params["flow_data"]["after_completion"] = {
                "type": "redirect", "redirect": {"return_url": f"{return_url}?checkout=done"}
            }  # fmt: skip
        with _translated():
            return self._client.v1.billing_portal.sessions.create(params).url

    def get_subscription(self, subscription_id: str) -> Subscription | None:
        """A subscription as it is now, with the change that its schedule holds."""
        expand: Any = {"expand": ["schedule.phases.items.price"]}
        found = _maybe(lambda: self._client.v1.subscriptions.retrieve(subscription_id, expand))
        return _map(_subscription, found)

    def list_subscriptions(self, customer_id: str) -> tuple[str, ...]:
        """The ids of a customer's: a list cannot be expanded as deep as a schedule's prices."""
        params: Any = {"customer": customer_id, "status": "all", "limit": 100}
        found = _maybe(lambda: [each.id for each in self._client.v1.subscriptions.list(params).auto_paging_iter()])
        return tuple(found or ())

    def cancel_subscription(self, subscription_id: str) -> None:
        """End it now."""
        found = self.get_subscription(subscription_id)
        if found is not None and found.status not in ("canceled", "incomplete_expired"):
            params: Any = {"invoice_now": False, "prorate": False}
            _maybe(lambda: self._client.v1.subscriptions.cancel(subscription_id, params))

    def list_payments(self, subscription_id: str) -> tuple[Payment, ...]:
        """What arrived for a subscription, newest first; without those that are no payment by Stripe."""
        params: Any = {
            "subscription": subscription_id, "status": "paid", "limit": 100, "expand": ["data.payments"]
        }  # fmt: skip
        with _translated():
            invoices = self._client.v1.invoices.list(params).data
            return tuple(payment for invoice in invoices for payment in _payments(invoice))

    def refund(self, refund_id: str, payment_id: str, amount: int) -> str:
        """Give back once. A key is remembered by Stripe for a day; the note on the refund for ever."""
        with _translated():
            for known in self._client.v1.refunds.list({"payment_intent": payment_id, "limit": 100}).data:
                if _noted(known, REFUND) == refund_id:
                    return known.id
            params: Any = {
                "payment_intent": payment_id,
                "amount": amount,
                "metadata": {REFUND: refund_id},
            }
            return self._client.v1.refunds.create(params, _once(f"refund:{refund_id}")).id

    def get_refund(self, stripe_id: str) -> tuple[str | None, str] | None:
        """Our id of a refund, and its state."""
        found = _maybe(lambda: self._client.v1.refunds.retrieve(stripe_id))
        return None if found is None else (_noted(found, REFUND), str(found.status))

    def list_invoices(self, customer_id: str, limit: int) -> tuple[Invoice, ...]:
        """A customer's invoices, newest first; without drafts."""
        found = _maybe(lambda: self._client.v1.invoices.list({"customer": customer_id, "limit": limit}).data)
        return tuple(_invoice(each) for each in found or () if each.status != "draft")


def _once(key: str) -> Any:
    return {"idempotency_key": f"stepiq:{key}"}


@contextmanager
def _translated() -> Iterator[None]:
    """Stripe's errors as ours. Their texts may quote what was sent, so only their codes go on."""
    try:
        yield
    except stripe.StripeError as error:
        log.warning("payments.refused", error=type(error).__name__, reason=error.code, request_id=error.request_id)
        gone = isinstance(error, stripe.APIConnectionError | stripe.RateLimitError)
        failed = (error.http_status or 0) >= 500
        raise (unreachable() if gone or failed else refused(error.code)) from None


def _maybe(ask: Callable[[], T]) -> T | None:
    """What is asked for; None where Stripe knows no such thing."""
    with _translated():
        try:
            return ask()
        except stripe.InvalidRequestError as error:
            if error.http_status == 404 or error.code == "resource_missing":
                return None
            raise


A = TypeVar("A")


def _map(make: Callable[[A], T], found: A | None) -> T | None:
    return None if found is None else make(found)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe_at(seconds: Any) -> datetime | None:
    return None if seconds is None else _at(int(seconds))


def _id_of(thing: Any) -> str | None:
    """The id of what may have been expanded."""
    return thing.get("id") if isinstance(thing, dict) else thing


def _noted(thing: StripeObject, name: str) -> str | None:
    """What we noted on a thing of Stripe's."""
    found: str | None = (thing.to_dict().get("metadata") or {}).get(name)
    return found


def _plan_of(price: Any) -> str | None:
    """The plan that a price is for: as it was noted, or by its lookup key (which a newer price may have taken over)."""
    named = (price.get("metadata") or {}).get(PLAN) or str(price.get("lookup_key") or "").partition("_")[0]
    return named if named in PLAN_EUR else None


def _interval_of(price: Any) -> Interval | None:
    found = (price.get("recurring") or {}).get("interval")
    return {"month": "monthly", "year": "yearly"}.get(str(found))  # type: ignore[return-value]


def _price(found: Any) -> Price:
    return Price(found.id, str(found.lookup_key), int(found.unit_amount or 0), str(found.currency))


def _subscription(told: StripeObject) -> Subscription:
    found = told.to_dict()
    item = found["items"]["data"][0]
    price = item["price"]
    period_end = _at(item["current_period_end"])
    ends_at = _maybe_at(found.get("cancel_at")) or (period_end if found.get("cancel_at_period_end") else None)
    next_plan, next_at = _scheduled(found.get("schedule"), _at(item["current_period_start"]))
    return Subscription(
        id=found["id"],
        customer_id=_id_of(found["customer"]) or "",
        account_id=(found.get("metadata") or {}).get(ACCOUNT),
        status=found["status"],
        plan=_plan_of(price),
        interval=_interval_of(price),
        item_id=item["id"],
        started_at=_at(found["start_date"]),
        period_start=_at(item["current_period_start"]),
        period_end=period_end,
        ends_at=ends_at,
        ended_at=_maybe_at(found.get("ended_at")),
        next_plan=next_plan if next_plan != _plan_of(price) else None,
        next_at=next_at if next_plan != _plan_of(price) else None,
        cents=int(price.get("unit_amount") or 0),
        currency=str(price.get("currency") or CURRENCY),
    )


def _scheduled(schedule: Any, period_start: datetime) -> tuple[str | None, datetime | None]:
    """The plan of a schedule's phase that comes after this period."""
    phases = schedule.get("phases", ()) if isinstance(schedule, dict) else ()
    for phase in phases:
        begins = _at(phase["start_date"])
        price = phase["items"][0]["price"]
        if begins > period_start:
            return _plan_of(price) if isinstance(price, dict) else None, begins
    return None, None


def _checkout(told: StripeObject) -> CheckoutView:
    found = told.to_dict()
    noted = found.get("metadata") or {}
    return CheckoutView(
        id=found["id"],
        checkout_id=noted.get(CHECKOUT),
        customer_id=_id_of(found.get("customer")),
        account_id=noted.get(ACCOUNT),
        status=found["status"],
        is_paid=found["payment_status"] in ("paid", "no_payment_required"),
        url=found.get("url"),
        subscription_id=_id_of(found.get("subscription")),
        payment_id=_id_of(found.get("payment_intent")),
        credits=int(noted.get(CREDITS) or 0),
        amount=int(found.get("amount_total") or 0),
        currency=str(found.get("currency") or CURRENCY),
    )


def _payments(invoice: StripeObject) -> Iterator[Payment]:
    for each in (invoice.to_dict().get("payments") or {}).get("data", ()):
        intent = _id_of(each["payment"].get("payment_intent"))
        if each["status"] == "paid" and intent:
            yield Payment(intent, int(each["amount_paid"] or 0), str(each["currency"]))


def _invoice(told: StripeObject) -> Invoice:
    found = told.to_dict()
    return Invoice(
        number=found.get("number") or found["id"],
        status=str(found.get("status") or "open"),
        total=int(found["total"]),
        currency=str(found["currency"]),
        created_at=_at(found["created"]),
        url=found.get("hosted_invoice_url"),
        pdf=found.get("invoice_pdf"),
    )
