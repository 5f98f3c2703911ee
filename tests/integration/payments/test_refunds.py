"""Withdrawal within 14 days: how much comes back, that it comes back once, and that nothing of it can be spent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.accounts.audit import list_acts
from core.accounts.domain import Account
from core.accounts.queries import get_account
from core.credits import postings
from core.credits.payments import refunds as refunds_module
from core.credits.payments import subscriptions as subscriptions_module
from core.credits.payments.events import has_waiting_events, reconcile, work_off
from core.credits.payments.queries import billing_of, gateway_of, list_purchases, list_refunds
from core.credits.payments.refunds import (
    purchase_offers,
    subscription_offer,
    withdraw_purchase,
    withdraw_subscription,
)
from core.credits.payments.subscriptions import take_number
from core.credits.queries import verify_ledger
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, Forbidden, NotFound
from core.shared.money import MICROS
from tests.integration.payments.conftest import Shop
from tests.support.together import together


def spend(shop: Shop, owner: Account, credits: int, cause: str = "run:a:1") -> None:
    account, micros = get_account(shop.runtime, owner.id), credits * MICROS
    with shop.runtime.database.write() as session:
        postings.hold(shop.runtime, session, owner.id, plan=account.plan, micros=micros, cause=cause)
        postings.settle(
            shop.runtime, session, owner.id, plan=account.plan, held=micros, micros=micros, cause=cause,
            price_version=None,
        )  # fmt: skip


def refunded(shop: Shop) -> list[int]:
    return [refund["amount"] for refund in shop.stub.all("refund")]


@pytest.mark.parametrize(
    ("plan", "interval", "used", "back"),
    [
        ("starter", "monthly", 0, 1900),
        ("starter", "monthly", 500, 1425),
        ("pro", "monthly", 7999, 1),
        ("starter", "yearly", 600, 20_007),
    ],
)
def test_what_was_not_used_comes_back(shop: Shop, plan: str, interval: Any, used: int, back: int) -> None:
    """500 of 2,000 credits used of 19 EUR; 600 of the 24,000 of a year for 205.20 EUR."""
    ada = shop.person()
    subscription = shop.subscribe(ada, plan, interval)
    if used:
        spend(shop, ada, used)
    offer = subscription_offer(shop.runtime, ada.id)
    assert offer is not None and offer.amount == back
    shop.clock.advance(days=14, hours=23)
    assert withdraw_subscription(shop.runtime, shop.session()) == back
    assert refunded(shop) == [back]
    assert shop.stub.things["subscription"][subscription]["status"] == "canceled"
    assert shop.plan(ada) == "free" and shop.next_plan(ada) is None
    assert shop.credits(ada) == (100 if not used else 0), "what Free would have left, and no more"
    (view,) = billing_of(shop.runtime, ada).refunds
    assert (view.amount, view.state) == (back, "done")
    shop.deliver()
    reconcile(shop.runtime)
    assert shop.plan(ada) == "free" and refunded(shop) == [back]
    assert verify_ledger(shop.runtime).problems == ()
    (act,) = list_acts(shop.runtime, 10, act="payment.refunded").items
    assert (act.actor_id, act.subject_id, act.details["cents"]) == (ada.id, ada.id, back)


def test_after_fourteen_days_the_person_cannot_and_accounting_can(shop: Shop) -> None:
    ada = shop.person()
    shop.person("books@example.org", ("accounting",))
    shop.subscribe(ada)
    shop.clock.advance(days=15)
    with pytest.raises(Conflict) as refused:
        withdraw_subscription(shop.runtime, shop.session())
    assert refused.value.code == "WITHDRAWAL_OVER" and "2027-03-24" in refused.value.message
    assert shop.plan(ada) == "starter" and refunded(shop) == []
    assert withdraw_subscription(shop.runtime, shop.session("books@example.org"), ada.id) == 1900


def test_who_may(shop: Shop) -> None:
    ada = shop.person()
    shop.person("eve@example.org")
    shop.subscribe(ada)
    with pytest.raises(Forbidden) as refused:
        withdraw_subscription(shop.runtime, shop.session("eve@example.org"), ada.id)
    assert refused.value.code == "NOT_ACCOUNTING"
    session = shop.session()
    shop.clock.advance(minutes=11)
    with pytest.raises(Forbidden) as refused:
        withdraw_subscription(shop.runtime, session)
    assert refused.value.code == "CONFIRM_PASSWORD"
    assert refunded(shop) == []


def test_when_all_is_used_nothing_comes_back_and_nothing_is_changed(shop: Shop) -> None:
    ada = shop.person()
    shop.subscribe(ada)
    spend(shop, ada, 2000)
    with pytest.raises(Conflict) as refused:
        withdraw_subscription(shop.runtime, shop.session())
    assert refused.value.code == "NOTHING_UNUSED" and shop.plan(ada) == "starter"


def test_what_was_paid_in_two_payments_comes_back_in_two(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    shop.stub.change(subscription, "pro_monthly")
    shop.deliver()
    spend(shop, ada, 2000)  # a quarter of what Pro gives
    assert withdraw_subscription(shop.runtime, shop.session()) == 3675
    assert refunded(shop) == [3000, 675], "the newest payment first, none more than it was"


def test_after_a_withdrawal_a_new_subscription_gives_its_credits_anew(shop: Shop) -> None:
    ada = shop.person()
    shop.subscribe(ada, "starter")
    withdraw_subscription(shop.runtime, shop.session())
    shop.stub.events.clear()
    shop.subscribe(ada, "starter")
    assert shop.plan(ada) == "starter" and shop.credits(ada) == 2000


def test_credits_come_back_as_far_as_they_are_not_used(shop: Shop) -> None:
    ada = shop.person()
    shop.buy(ada, 2000)
    spend(shop, ada, 850)  # the month's hundred first
    (offer,) = purchase_offers(shop.runtime, ada.id)
    assert (offer.credits, offer.amount) == (1250, 1250)
    assert offer.until == datetime(2027, 3, 25, tzinfo=UTC)
    assert withdraw_purchase(shop.runtime, shop.session(), offer.subject_id) == 1250
    assert refunded(shop) == [1250] and shop.credits(ada) == 0
    assert purchase_offers(shop.runtime, ada.id) == ()
    with pytest.raises(Conflict):
        withdraw_purchase(shop.runtime, shop.session(), offer.subject_id)
    assert verify_ledger(shop.runtime).problems == ()


def test_of_two_purchases_the_older_counts_as_used_first(shop: Shop) -> None:
    ada = shop.person()
    shop.buy(ada, 1000)
    shop.clock.advance(hours=1)
    shop.buy(ada, 3000)
    spend(shop, ada, 1600)
    (newer,) = purchase_offers(shop.runtime, ada.id)
    assert newer.credits == 2500 and newer.paid == 3000


def test_after_fourteen_days_credits_stay(shop: Shop) -> None:
    ada = shop.person()
    shop.buy(ada, 1000)
    shop.clock.advance(days=15)
    (bought,) = list_purchases(shop.runtime, ada.id)
    with pytest.raises(Conflict) as refused:
        withdraw_purchase(shop.runtime, shop.session(), bought.id)
    assert refused.value.code == "WITHDRAWAL_OVER" and shop.credits(ada) == 1100


def test_while_stripe_is_down_the_claim_waits_and_the_job_sends_it(shop: Shop, runtime: Runtime) -> None:
    ada = shop.person()
    shop.buy(ada, 1000)
    (bought,) = list_purchases(runtime, ada.id)
    session = shop.session()
    shop.stub.is_down = True
    withdraw_purchase(runtime, session, bought.id)
    assert [each.state for each in list_refunds(runtime)] == ["claimed"] and shop.credits(ada) == 100
    shop.stub.is_down = False
    shop.clock.advance(minutes=2)
    assert has_waiting_events(runtime, shop.clock.now())
    assert work_off(runtime) == 1
    assert refunded(shop) == [1000] and [each.state for each in list_refunds(runtime)] == ["done"]
    assert not has_waiting_events(runtime, shop.clock.now())


class Died(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("where", ["before the money", "after the money"])
def test_a_crash_gives_nothing_twice_and_the_subscription_ends_all_the_same(
    shop: Shop, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada)
    spend(shop, ada, 1200)  # less than half comes back, so that it could come back twice

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(refunds_module, "send_refunds" if where == "before the money" else "_mark", die)
        with pytest.raises(Died):
            withdraw_subscription(runtime, shop.session())
    if where == "before the money":
        assert shop.stub.things["subscription"][subscription]["status"] == "active"
        shop.stub._emit("customer.subscription.updated", shop.stub.things["subscription"][subscription])
        shop.deliver()
        assert shop.plan(ada) == "free", "it is not given back by an event that says it goes on"
    shop.clock.advance(days=2)  # Stripe has forgotten the key of the request
    shop.stub._answers.clear()
    work_off(runtime)
    shop.deliver()
    assert refunded(shop) == [760]
    assert shop.stub.things["subscription"][subscription]["status"] == "canceled" and shop.plan(ada) == "free"


def test_what_stripe_said_before_a_withdrawal_does_not_give_the_plan_back(
    shop: Shop, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, session = shop.person(), shop.session()
    subscription = shop.subscribe(ada)
    claim, asked = refunds_module._claim_subscription, []

    def claim_late(*args: Any, **options: Any) -> int:
        # A second click: it has its number and Stripe's answer, and is about to write it.
        asked.append((take_number(runtime, subscription), gateway_of(runtime).get_subscription(subscription)))
        return claim(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(refunds_module, "_claim_subscription", claim_late)
        patched.setattr(refunds_module, "send_refunds", lambda *_: 0)
        withdraw_subscription(runtime, session)
    ((number, found),) = asked
    assert found is not None and found.is_open
    assert subscriptions_module._write(runtime, found, number) and shop.plan(ada) == "free"
    with pytest.raises(NotFound):
        claim(runtime, session, ada.id, subscription, (), own=True)
    work_off(runtime)
    assert refunded(shop) == [1900] and shop.plan(ada) == "free"


class TestRaces:
    """On both databases."""

    @pytest.fixture
    def stored_in(self, database_settings: dict[str, str]) -> dict[str, str]:
        return database_settings

    def test_two_clicks_give_money_back_once(self, shop: Shop, runtime: Runtime) -> None:
        ada = shop.person()
        shop.subscribe(ada)
        shop.buy(ada, 1000)
        session = shop.session()
        (bought,) = list_purchases(runtime, ada.id)
        answers = together(
            *[lambda: withdraw_subscription(runtime, session)] * 3,
            *[lambda: withdraw_purchase(runtime, session, bought.id)] * 3,
        )
        assert sorted(each for each in answers if isinstance(each, int)) == [1000, 1900]
        assert all(isinstance(each, AppError | int) for each in answers), answers
        work_off(runtime)
        assert sorted(refunded(shop)) == [1000, 1900]
        assert verify_ledger(runtime).problems == ()
