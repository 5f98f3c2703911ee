"""Our port to Stripe against localstripe, for what that supports: the SDK and our reading of answers on a server that
others wrote. It has no prices, Checkout, Portal, schedules and API versions: those are tried on our own stand-in.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import stripe

from core.credits.payments.domain import Subject
from core.credits.payments.errors import PaymentFailed
from core.credits.payments.gateway import Coupon
from core.credits.payments.stripe_gateway import StripeGateway
from core.shared.errors import InvalidInput
from tests.support.http_peer import HttpPeer, peer_in_thread
from tests.support.server import free_port, listening, poll_until

KEY, SECRET = "sk_test_key", "whsec_test"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """localstripe as a process of its own; what it remembers it writes into the temporary folder."""
    port = free_port()
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    folder = str(tmp_path_factory.mktemp("localstripe"))
    with listening(f"http://127.0.0.1:{port}", command, TMPDIR=folder) as address:
        yield address


@pytest.fixture
def gateway(url: str) -> StripeGateway:
    return StripeGateway(KEY, SECRET, url, retries=0)


@pytest.fixture
def bare(url: str) -> stripe.StripeClient:
    """The SDK itself, for what people and time do at Stripe."""
    return stripe.StripeClient(KEY, base_addresses={"api": url})


def pay(bare: stripe.StripeClient, customer: str, amount: int) -> str:
    card: Any = {
        "type": "card",
        "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"},
    }
    method = bare.v1.payment_methods.create(card).id
    bare.v1.payment_methods.attach(method, {"customer": customer})
    bare.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    paid: Any = {"amount": amount, "currency": "eur", "customer": customer, "payment_method": method, "confirm": True}
    return bare.v1.payment_intents.create(paid).id


def test_a_customer_is_made_and_deleted(gateway: StripeGateway, bare: stripe.StripeClient) -> None:
    customer = gateway.create_customer("account-1", "ada@example.org", "fr")
    found = bare.v1.customers.retrieve(customer)
    assert found.email == "ada@example.org" and found.to_dict()["metadata"] == {"stepiq_account": "account-1"}
    assert gateway.list_invoices(customer, 10) == ()
    gateway.delete_customer(customer)
    gateway.delete_customer("cus_nobody")


def test_a_coupon_is_made_once(gateway: StripeGateway, bare: stripe.StripeClient) -> None:
    coupon = Coupon("code-yearly", 50, 36, False, None)
    gateway.ensure_coupon(coupon)
    gateway.ensure_coupon(coupon)
    found = bare.v1.coupons.retrieve("code-yearly")
    assert (found.percent_off, found.duration, found.duration_in_months) == (50, "repeating", 36)


def test_money_goes_back_once_for_one_claim(gateway: StripeGateway, bare: stripe.StripeClient) -> None:
    customer = gateway.create_customer("account-2", "eve@example.org", "en")
    payment = pay(bare, customer, 1900)
    first = gateway.refund("refund-1", payment, 700)
    assert gateway.get_refund(first) == ("refund-1", "succeeded")
    charge = bare.v1.payment_intents.retrieve(payment).to_dict()["charges"]["data"][0]
    assert charge["amount_refunded"] == 700
    assert gateway.get_refund("re_nothing") is None


def test_what_is_not_there_is_none_and_what_fails_is_ours(gateway: StripeGateway) -> None:
    assert gateway.list_subscriptions("cus_nobody") == ()
    with pytest.raises(PaymentFailed) as refused:
        gateway.refund("refund-2", "pi_nothing", 5)
    assert refused.value.__cause__ is None and "pi_nothing" not in str(refused.value)


def test_an_address_where_nobody_listens_is_told_as_such() -> None:
    nobody = StripeGateway(KEY, SECRET, f"http://127.0.0.1:{free_port()}", retries=0)
    with pytest.raises(PaymentFailed) as refused:
        nobody.list_invoices("cus_1", 1)
    assert refused.value.code == "PAYMENT_UNAVAILABLE" and refused.value.retryable


def test_its_messages_are_signed_as_ours_are_read(gateway: StripeGateway, bare: stripe.StripeClient, url: str) -> None:
    with peer_in_thread() as peer:
        customer = gateway.create_customer("account-3", "bob@example.org", "en")
        pay(bare, customer, 100)
        plan: Any = {"id": "starter", "amount": 1900, "currency": "eur", "interval": "month", "product": {"name": "S"}}
        bare.v1.plans.create(plan)
        where = {"url": f"http://127.0.0.1:{peer.port}/hook", "secret": SECRET}
        httpx.post(f"{url}/_config/webhooks/mine", json=where, trust_env=False).raise_for_status()
        items: Any = {"customer": customer, "items": [{"plan": "starter"}]}
        subscription = bare.v1.subscriptions.create(items).id
        poll_until(lambda: _about(peer, gateway), 15, "no message came")
        assert Subject("subscription", subscription) in _about(peer, gateway)
        sent = peer.requests[-1]
    with pytest.raises(InvalidInput):
        gateway.read_event(sent.body + b" ", sent.headers["stripe-signature"], datetime.now(UTC))


def _about(peer: HttpPeer, gateway: StripeGateway) -> list[Subject]:
    read = (
        gateway.read_event(each.body, each.headers["stripe-signature"], datetime.now(UTC)) for each in peer.requests
    )
    return [event.subject for event in read if event.subject is not None]
