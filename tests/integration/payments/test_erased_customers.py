"""Erasing somebody who pays: Stripe is told and asked until it is so, and what it says afterwards is harmless."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from core.accounts.domain import Account
from core.credits.queries import verify_ledger
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.erasure.commands import begin_erasure
from core.privacy.models import PrivacyRequestRow
from tests.integration.payments.conftest import ADA, Shop


def status(runtime: Runtime, request_id: str) -> tuple[str, timedelta | None]:
    with runtime.database.read() as session:
        row = session.get_one(PrivacyRequestRow, request_id)
    return row.status, row.wake_at - runtime.clock.now() if row.wake_at else None


def go_on(shop: Shop, request_id: str) -> str:
    """Carry it on until it is closed, or waits for somebody else."""
    for _ in range(10):
        advance_request(shop.runtime, request_id)
        state, wait = status(shop.runtime, request_id)
        if state == "closed" or (state == "propagating" and wait is not None):
            return state
        shop.clock.advance(seconds=wait.total_seconds() if wait else 61)
    raise AssertionError(state)


@pytest.fixture
def paying(shop: Shop) -> Account:
    person = shop.person()
    shop.subscribe(person)
    shop.buy(person, 2000)
    return person


def test_stripe_is_asked_until_it_is_so(shop: Shop, paying: Account) -> None:
    events = list(shop.stub.events)
    shop.stub.is_down = True
    request_id = begin_erasure(shop.runtime, ADA)
    assert go_on(shop, request_id) == "propagating", "it stays open"
    shop.clock.advance(hours=7)
    assert go_on(shop, request_id) == "propagating"
    shop.stub.is_down = False
    shop.clock.advance(hours=7)
    assert go_on(shop, request_id) == "closed"
    assert shop.stub.only("customer")["deleted"] and shop.stub.only("subscription")["status"] == "canceled"
    before = rows(shop.runtime)
    shop.deliver([*events, *shop.stub.events])
    assert rows(shop.runtime) == before, "a late message changes nothing"
    proof = verify_ledger(shop.runtime)
    assert proof.problems == () and proof.owners == 1
    with shop.runtime.database.read() as session:
        assert session.execute(text("SELECT available_micros, held_micros FROM credit_accounts")).all() == [(0, 0)]
        assert session.scalar(text("SELECT count(*) FROM billing_checkouts WHERE state = 'paid'")) == 2
        assert session.scalar(text("SELECT count(*) FROM billing_customers")) == 0


def test_in_hand_and_nothing_more_keeps_it_open(shop: Shop, paying: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(shop.runtime.payments), "delete_customer", lambda _self, _id: None)
    request_id = begin_erasure(shop.runtime, ADA)
    assert go_on(shop, request_id) == "propagating"
    monkeypatch.undo()
    shop.clock.advance(hours=1)
    assert go_on(shop, request_id) == "closed" and shop.stub.only("customer")["deleted"]


def rows(runtime: Runtime) -> dict[str, list[str]]:
    tables = ("accounts", "billing_customers", "billing_subscriptions", "billing_checkouts", "ledger_transactions",
              "plan_changes", "planned_plans", "mail_outbox")  # fmt: skip
    with runtime.database.read() as session:
        return {name: sorted(map(str, session.execute(text(f"SELECT * FROM {name}")).all())) for name in tables}
