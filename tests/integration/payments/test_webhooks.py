"""The webhook suite, on both databases: whatever way Stripe's events come in, the end is the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text

from core.accounts.domain import Account
from core.accounts.models import AccountRow
from core.credits.models import LedgerTransaction
from core.credits.payments import events as payment_events
from core.credits.payments.checkouts import Order, open_checkout
from core.credits.payments.events import receive_event, work_off
from core.credits.payments.models import CheckoutRow, CustomerRow, EventRow, SubscriptionRow
from core.credits.queries import verify_ledger
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput
from tests.integration.payments.conftest import Shop
from tests.support.stripe_stub import Thing
from tests.support.together import together


@pytest.fixture
def stored_in(database_settings: dict[str, str]) -> dict[str, str]:
    return database_settings


@dataclass
class Story:
    """Everything that happens to one person's money, and the events that tell of it."""

    person: Account
    events: list[Thing]


def tell(shop: Shop, email: str) -> Story:
    """Bought Starter, changed to Pro, bought credits, failed to pay, paid, and cancelled to the end of the period.

    No event of it was delivered yet.
    """
    ada = shop.person(email)
    shop.stub.events.clear()
    subscription = str(shop.stub.pay(shop.begin(ada, "starter"))["subscription"])
    shop.stub.change(subscription, "pro_monthly")
    with shop.runtime.database.write() as session:  # as if nobody had been told of the first Checkout
        session.execute(text("UPDATE billing_checkouts SET state = 'left' WHERE owner_id = :o"), {"o": ada.id})
    url = open_checkout(shop.runtime, ada, Order(credits=2000))
    shop.stub.pay(url.rpartition("/")[2])
    shop.stub.renew(subscription, paid=False)
    shop.stub.pay_overdue(subscription)
    shop.stub.cancel_at_end(subscription)
    return Story(ada, list(shop.stub.events))


def state_of(shop: Shop, person: Account) -> tuple[Any, ...]:
    """All that payments decide about a person."""
    with shop.runtime.database.read() as session:
        mine = select(SubscriptionRow).where(SubscriptionRow.owner_id == person.id)
        rows = [(row.status, row.plan, row.period_end, row.ends_at) for row in session.scalars(mine)]
        bought = session.scalar(
            select(func.count()).where(LedgerTransaction.owner_id == person.id, LedgerTransaction.kind == "purchase")
        )
        checkouts = select(CheckoutRow.state, CheckoutRow.amount).where(CheckoutRow.owner_id == person.id)
        paid = sorted(session.execute(checkouts).tuples().all())
    return shop.plan(person), shop.next_plan(person), shop.credits(person), rows, bought, paid


@pytest.fixture
def told(shop: Shop) -> Callable[[], Story]:
    """One more person with the same story."""
    count = 0

    def make() -> Story:
        nonlocal count
        count += 1
        return tell(shop, f"person{count}@example.org")

    return make


def test_shuffled_and_repeated_the_end_is_the_same(shop: Shop, told: Callable[[], Story]) -> None:
    """Any order, any of them twice or more."""
    plain = told()
    shop.deliver(plain.events)
    expected = state_of(shop, plain.person)
    assert expected[0] == "pro" and expected[1] is not None and expected[2] == 10_000 and expected[4] == 1

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        story = told()
        last = len(story.events) - 1
        places = data.draw(st.permutations([*range(len(story.events))]))
        again = data.draw(st.lists(st.integers(0, last), max_size=8))
        shop.deliver([story.events[place] for place in [*places, *again]])
        assert state_of(shop, story.person) == expected
        assert work_off(shop.runtime) == 0

    check()
    assert verify_ledger(shop.runtime).problems == ()


def test_all_at_the_same_time_the_end_is_the_same(shop: Shop, told: Callable[[], Story]) -> None:
    plain, story = told(), told()
    shop.deliver(plain.events)
    acts = [lambda event=event: shop.deliver([event]) for event in story.events + story.events]
    answers = together(*acts)
    assert all(answer in (["done"], ["received"]) for answer in answers), answers
    work_off(shop.runtime)
    assert state_of(shop, story.person) == state_of(shop, plain.person)
    assert verify_ledger(shop.runtime).problems == ()


def test_late_events_change_nothing_that_is_newer(shop: Shop) -> None:
    """Events of a month ago arrive after the subscription has ended: signed anew, as Stripe does."""
    ada = shop.person()
    subscription = shop.subscribe(ada, "pro")
    shop.stub.change(subscription, "starter_monthly")
    old = list(shop.stub.events)
    shop.stub.events.clear()
    shop.clock.advance(days=20)
    shop.stub.end(subscription)
    shop.deliver()
    shop.clock.advance(days=20)
    shop.deliver(old)
    assert shop.plan(ada) == "free" and shop.next_plan(ada) is None


def test_an_answer_that_was_overtaken_does_not_replace_the_newer_one(shop: Shop) -> None:
    """One asks Stripe and is held up; another asks after a change and writes first."""
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    shop.stub.cancel_at_end(subscription)
    slow, quick = shop.stub.events[-1], dict(shop.stub.events[-1], id="evt_quick")
    gateway = shop.runtime.payments
    assert gateway is not None
    get, asked = gateway.get_subscription, []

    def overtaken(subscription_id: str) -> Any:
        found = get(subscription_id)
        asked.append(subscription_id)
        if len(asked) == 1:
            shop.stub.end(subscription_id)
            shop.deliver([quick])
        return found

    gateway.get_subscription = overtaken  # type: ignore[method-assign]
    assert shop.deliver([slow]) == ["done"]
    assert len(asked) == 2
    assert shop.plan(ada) == "free", "the older answer said that it goes on"


@pytest.mark.parametrize("forgery", ["no", "other secret", "other body", "no time", "other scheme", "not text"])
def test_a_forged_message_is_refused_and_nothing_is_kept(shop: Shop, runtime: Runtime, forgery: str) -> None:
    shop.stub.pay(shop.begin(shop.person(), "pro"))
    body, signature = shop.stub.signed(shop.stub.events[-1])
    if forgery == "no":
        signature = ""
    elif forgery == "other secret":
        body, signature = shop.stub.signed(shop.stub.events[-1], secret="whsec_guessed")
    elif forgery == "other body":
        body = body.replace(b"  ", b" ")
    elif forgery == "no time":
        signature = signature.partition(",")[2]
    elif forgery == "other scheme":
        signature = signature.replace("v1=", "v2=")
    else:
        body = b"\xff" + body
    asked = len(shop.stub.calls)
    with pytest.raises(InvalidInput) as refused:
        receive_event(runtime, body, signature)
    assert refused.value.code == "BAD_SIGNATURE"
    with runtime.database.read() as session:
        assert session.scalars(select(EventRow)).all() == []
    assert len(shop.stub.calls) == asked, "nobody is asked about a forgery"


def test_without_a_secret_every_message_is_refused(shop: Shop, runtime: Runtime) -> None:
    assert runtime.payments is not None
    runtime.payments._webhook_secret = ""  # type: ignore[attr-defined]
    shop.stub.pay(shop.stub.all("checkout.session")[0]["id"]) if shop.stub.all("checkout.session") else None
    event = {"id": "evt_x", "object": "event", "type": "invoice.paid", "data": {"object": {}}}
    with pytest.raises(InvalidInput):
        receive_event(runtime, *shop.stub.signed(event, secret=""))


def test_what_an_event_says_is_not_believed(shop: Shop) -> None:
    """Signed, but with a plan that nobody paid for: Stripe is asked."""
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    thing = dict(shop.stub.things["subscription"][subscription], status="active")
    thing["items"] = {"data": [dict(thing["items"]["data"][0], price=shop.stub.price("pro_yearly"))]}
    event = {"id": "evt_lies", "object": "event", "type": "customer.subscription.updated", "data": {"object": thing}}
    assert shop.deliver([event]) == ["done"]
    assert shop.plan(ada) == "starter"


class Died(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("repaired_by", ["the job", "Stripe's repetition"])
def test_a_crash_between_effect_and_mark_repairs_itself(
    shop: Shop, told: Callable[[], Story], monkeypatch: pytest.MonkeyPatch, repaired_by: str
) -> None:
    """Every event's process dies after its effect was committed and before its mark."""
    plain, story = told(), told()
    shop.deliver(plain.events)

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(payment_events, "_mark", die)
        for event in story.events:
            with pytest.raises(Died):
                shop.deliver([event])
    assert state_of(shop, story.person) == state_of(shop, plain.person), "the effects are there"
    with shop.runtime.database.read() as session:
        assert set(session.scalars(select(EventRow.state))) == {"done", "received"}, "and not marked"
    if repaired_by == "the job":
        assert work_off(shop.runtime) == len(story.events)
    else:
        assert set(shop.deliver(story.events)) == {"done"}
    assert state_of(shop, story.person) == state_of(shop, plain.person)
    with shop.runtime.database.read() as session:
        assert set(session.scalars(select(EventRow.state))) == {"done"}


@pytest.mark.parametrize("keeps_rows", [True, False])
def test_for_a_deleted_person_nothing_comes_back(shop: Shop, told: Callable[[], Story], keeps_rows: bool) -> None:
    """Whether the books that the law wants kept are there or not."""
    story = told()
    with shop.runtime.database.write() as session:
        session.execute(delete(AccountRow).where(AccountRow.id == story.person.id))
        if not keeps_rows:
            session.execute(delete(CheckoutRow))
            session.execute(delete(CustomerRow))
    before = _rows(shop)
    assert set(shop.deliver(story.events)) == {"done"}
    shop.deliver([*reversed(story.events)])
    shop.deliver()
    work_off(shop.runtime)
    assert _rows(shop) == before
    assert shop.stub.only("subscription")["status"] == "canceled", "and nobody is charged any more"


def _rows(shop: Shop) -> dict[str, Any]:
    tables = ("accounts", "billing_customers", "billing_subscriptions", "billing_checkouts", "ledger_transactions")
    with shop.runtime.database.read() as session:
        return {
            table: sorted(map(str, session.execute(text(f"SELECT * FROM {table}")).all()))
            for table in (*tables, "plan_changes", "planned_plans", "mail_outbox")
        }


def test_customers_who_are_known_at_stripe_but_not_here_are_learnt_of(shop: Shop, told: Callable[[], Story]) -> None:
    """A backup from before the first purchase was put back."""
    plain, story = told(), told()
    shop.deliver(plain.events)
    with shop.runtime.database.write() as session:
        session.execute(delete(CheckoutRow).where(CheckoutRow.owner_id == story.person.id))
        session.execute(delete(CustomerRow).where(CustomerRow.owner_id == story.person.id))
    shop.deliver(story.events)
    shop.deliver([dict(event, id=event["id"] + "_again") for event in story.events])
    assert state_of(shop, story.person)[:4] == state_of(shop, plain.person)[:4]
