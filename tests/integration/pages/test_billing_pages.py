"""The billing pages of a person and of who does the accounts, with Stripe's stand-in and without."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.accounts.queries import find_session
from core.accounts.sessions import confirm_password, sign_out
from core.bootstrap import set_runtime
from core.credits.payments.checkouts import Order, open_checkout
from core.credits.payments.discounts import make_code
from core.credits.payments.events import receive_event
from core.credits.payments.queries import list_codes
from core.credits.payments.setup import set_up_billing
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, open_shell, page_test, sign_in_person, text_of
from tests.integration.pages.test_guards import enabled_widgets, revive, touch, widgets_of, writes_noted
from tests.support.clock import FixedClock
from tests.support.stripe_server import stripe_in_thread
from tests.support.stripe_stub import StripeStub

MINE, ADMIN = ("pages.account.billing", "billing_page"), ("admin.billing", "billing_page")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def stub(clock: FixedClock) -> Iterator[StripeStub]:
    made = StripeStub(now=clock.now)
    with stripe_in_thread(made) as server:
        made.url = server.url  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def ada(
    stub: StripeStub, clock: FixedClock, runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Person]:
    """Somebody on Free where plans are sold, with every role that matters here."""
    runtime = runtime_with(
        clock=clock, stripe_secret_key="sk_test_key", stripe_webhook_secret="whsec_test",
        stripe_api_base=stub.url,  # type: ignore[attr-defined]
    )  # fmt: skip
    set_up_billing(runtime)
    yield sign_in_person(runtime, monkeypatch, roles=("admin", "accounting"), plan="free")
    set_runtime(None)


def deliver(ada: Person, stub: StripeStub) -> None:
    for event in stub.events:
        receive_event(ada.runtime, *stub.signed(event))
    stub.events.clear()


def subscribe(ada: Person, stub: StripeStub, plan: str = "starter") -> str:
    url = open_checkout(ada.runtime, ada.account, Order(plan))
    paid = stub.pay(url.rpartition("/")[2])
    deliver(ada, stub)
    return str(paid["subscription"])


def confirm(ada: Person) -> None:
    view = find_session(ada.runtime, ada.token)
    assert view is not None
    confirm_password(ada.runtime, view, password=PASSWORD, client_host="testclient")


def gone_to(app: Any) -> list[str]:
    return [line.partition('href="')[2].partition('"')[0] for line in text_of(app).split("<b>You are being")[1:]]


def test_without_stripe_the_page_says_who_sets_plans(person: Person) -> None:
    app = page_test(*MINE)
    assert "Nothing is sold on this installation" in text_of(app) and "An admin sets the plans" in text_of(app)
    assert "Unlimited pipelines" in text_of(app) and not widgets_of(app) and not app.exception


def test_choosing_a_plan_leads_to_checkout(ada: Person, stub: StripeStub) -> None:
    app = page_test(*MINE)
    assert "19.00 EUR" in text_of(app) and "49.00 EUR" in text_of(app) and "8,000 credits a month" in text_of(app)
    app.get("button_group")[0].set_value("yearly")
    app.run()
    assert "205.20 EUR" in text_of(app)
    app.button(key="choose-pro").click().run()
    session = stub.only("checkout.session")
    assert gone_to(app) == [session["url"]] and session["amount_total"] == 52_920


def test_a_code_that_does_not_count_is_told_and_stays_typed(ada: Person, stub: StripeStub) -> None:
    app = page_test(*MINE)
    app.text_input(key="billing-code").set_value("NOTHING")
    app.button(key="choose-starter").click().run()
    assert "does not count" in app.error[0].value and app.text_input(key="billing-code").value == "NOTHING"
    assert gone_to(app) == [] and stub.all("checkout.session") == []


def test_credits_are_bought_by_the_thousand(ada: Person, stub: StripeStub) -> None:
    app = page_test(*MINE)
    app.selectbox(key="billing-pack").set_value(5).run()
    assert app.button(key="buy-credits").label == "Buy for 50.00 EUR"
    app.button(key="buy-credits").click().run()
    assert stub.only("checkout.session")["amount_total"] == 5000


def test_the_way_back_from_checkout_is_never_believed(ada: Person, stub: StripeStub) -> None:
    url = open_checkout(ada.runtime, ada.account, Order("pro"))
    app = page_test(*MINE, checkout="done")
    assert "We are waiting for the payment’s confirmation" in text_of(app) and "Free plan" in text_of(app)
    stub.pay(url.rpartition("/")[2])
    app.run()
    assert "We are waiting" in text_of(app), "paid, and not confirmed"
    deliver(ada, stub)
    app.run()
    assert "We are waiting" not in text_of(app) and "Pro plan" in text_of(app)


def test_who_left_checkout_reads_that_nothing_was_bought(ada: Person) -> None:
    assert "Nothing was bought" in text_of(page_test(*MINE, checkout="left"))


def test_a_subscriber_sees_what_is_paid_next_and_the_invoices(ada: Person, stub: StripeStub) -> None:
    subscribe(ada, stub)
    text = text_of(page_test(*MINE))
    assert "monthly, 19.00 EUR" in text and "next payment on 28 Feb 2027" in text
    number = stub.only("invoice")["number"]
    assert number in text and "19.00 EUR" in text and "https://invoice.example.com" in text


def test_a_payment_that_failed_is_on_every_page_with_its_day(ada: Person, stub: StripeStub, clock: FixedClock) -> None:
    subscription = subscribe(ada, stub)
    clock.advance(days=3)
    stub.renew(subscription, paid=False)
    deliver(ada, stub)
    app = open_shell()
    assert "did not arrive" in text_of(app) and "14 March 2027" in text_of(app)
    text = text_of(page_test(*ADMIN))
    assert "payment failed" in text and "back to Free" in text


def test_withdrawing_asks_first_and_gives_back(ada: Person, stub: StripeStub, clock: FixedClock) -> None:
    subscription = subscribe(ada, stub)
    clock.advance(minutes=11)
    assert "Confirm your password" in text_of(page_test(*MINE))
    confirm(ada)
    app = page_test(*MINE)
    app.button(key=f"withdraw-{subscription}").click().run()
    assert stub.all("refund") == [], "first it asks"
    assert app.button(key="withdraw-go").label == "Withdraw and get 19.00 EUR"
    app.button(key="withdraw-go").click().run()
    assert stub.only("refund")["amount"] == 1900
    text = text_of(page_test(*MINE))
    assert "19.00 EUR is back with you" in text and "Free plan" in text


def test_while_stripe_is_down_the_page_is_there(ada: Person, stub: StripeStub) -> None:
    subscribe(ada, stub)
    confirm(ada)
    stub.is_down = True
    app = page_test(*MINE)
    assert "does not answer right now" in text_of(app) and not app.exception
    app.button(key="billing-portal").click().run()
    assert "does not answer right now" in app.error[0].value


def test_accounting_makes_and_ends_codes(ada: Person) -> None:
    app = page_test(*ADMIN)
    assert "There is no code yet" in text_of(app)
    app.text_input(key="code-word").set_value("spring-27")
    app.number_input(key="code-percent").set_value(30)
    app.text_area(key="code-addresses").set_value("grace@example.org\n")
    app.button(key="FormSubmitter:code-form-Make code").click().run()
    (code,) = list_codes(ada.runtime).items
    assert (code.code, code.percent, code.is_limited) == ("SPRING-27", 30, True)
    text = text_of(app)
    assert "SPRING-27" in text and "for named addresses" in text and "grace@" not in text
    app.button(key=f"code-end-{code.id}").click().run()
    assert list_codes(ada.runtime).items[0].ended_at is not None


def test_accounting_gives_back_and_sees_messages_that_wait(ada: Person, stub: StripeStub) -> None:
    subscription = subscribe(ada, stub)
    stub.change(subscription, "pro_monthly")
    stub.is_down = True
    deliver(ada, stub)
    confirm(ada)
    app = page_test(*ADMIN)
    assert "PAYMENT_UNAVAILABLE" in text_of(app)
    stub.is_down = False
    app.button(key="events-again").click().run()
    assert "PAYMENT_UNAVAILABLE" not in text_of(app) and "<b>Pro</b>" in text_of(app)
    app.button(key=f"refund-{subscription}").click().run()
    app.button(key="refund-go").click().run()
    assert sum(each["amount"] for each in stub.all("refund")) == 4900


@pytest.mark.parametrize("page", [MINE, ADMIN])
def test_after_the_end_of_a_session_nothing_on_it_does_anything(
    ada: Person, stub: StripeStub, monkeypatch: pytest.MonkeyPatch, page: tuple[str, str]
) -> None:
    """As every other page is tried, with something on it to press."""
    subscribe(ada, stub)
    confirm(ada)
    view = find_session(ada.runtime, ada.token)
    assert view is not None
    make_code(ada.runtime, view, code="SPRING", percent=10)
    app = page_test(*page)
    number = len(enabled_widgets(app))
    for at in range(number):
        widget, asked = enabled_widgets(app)[at], len(stub.calls)
        sign_out(ada.runtime, ada.token)
        with writes_noted(ada.runtime, monkeypatch) as begun:
            touch(widget)
            app.run()
        assert begun == [] and len(stub.calls) == asked, widget
        assert "Signed out" in text_of(app) and not widgets_of(app)
        revive(ada)
        app = page_test(*page)
    assert number >= 5
