"""Buying: a discount code for an address, Checkout, what Stripe tells about somebody, money that goes back."""

from __future__ import annotations

import json

from core.accounts.domain import Account
from core.credits.commands import grant_month
from core.credits.payments.checkouts import Order, open_checkout
from core.credits.payments.events import receive_event
from core.credits.payments.refunds import purchase_offers, withdraw_purchase
from core.credits.queries import plan_standing
from core.platform.runtime import Runtime
from tests.support.planting.stage import Signed, Stage
from tests.support.planting.words import Words


def plant_purchases(stage: Stage, owner: Account, by: Signed, token: str, words: Words) -> None:
    """A plan bought over HTTP with a code that is for this address, credits, a refund, a plan that ends."""
    runtime, stub = stage.runtime, stage.outside.stripe.stub
    grant_month(runtime, owner)
    code = {"code": "FOR-ONE", "percent": 50, "cycles": 1, "addresses": [owner.email]}
    stage.ask("POST", "/billing/discount-codes", token=by.token, json=code)
    wanted = {"plan": "pro", "interval": "monthly", "discount_code": "FOR-ONE"}
    once = {"Idempotency-Key": words.hide("key of a checkout")}
    url = stage.ask("POST", "/billing/checkout", token=token, json=wanted, headers=once)["url"]
    paid = stub.pay(url.rpartition("/")[2])
    for event in list(stub.events):
        _tell(stage, event, words)
    stub.events.clear()
    bought = open_checkout(runtime, owner, Order(credits=2000)).rpartition("/")[2]
    stub.pay(bought)
    _deliver(runtime, stage)
    (purchase,) = purchase_offers(runtime, owner.id)
    withdraw_purchase(runtime, by.view, purchase.subject_id, owner.id)
    stub.change(str(paid["subscription"]), "starter_monthly", at_period_end=True)
    _deliver(runtime, stage)
    open_checkout(runtime, owner, Order(credits=1000))  # never paid
    assert plan_standing(runtime, owner).planned is not None


def _tell(stage: Stage, event: dict[str, object], words: Words) -> None:
    """Send an event over HTTP as Stripe does for somebody with a card: with name, address and mail in it."""
    told = json.loads(json.dumps(event))
    told["data"]["object"] |= {
        "customer_email": words.hide("mail that Stripe tells", "{tag}@planted.example"),
        "customer_name": words.hide("name that Stripe tells"),
        "customer_details": {
            "name": words.hide("name that Stripe tells"),
            "address": {"line1": words.hide("billing address"), "city": "Angers", "country": "FR"},
        },
        "description": words.hide("description of a payment"),
    }
    body, signature = stage.outside.stripe.stub.signed(told)
    stage.ask("POST", "/billing/stripe/webhook", content=body, headers={"Stripe-Signature": signature})


def _deliver(runtime: Runtime, stage: Stage) -> None:
    stub = stage.outside.stripe.stub
    for event in list(stub.events):
        receive_event(runtime, *stub.signed(event))
    stub.events.clear()
