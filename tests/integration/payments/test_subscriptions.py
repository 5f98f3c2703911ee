"""What a subscription does to its person's plan, as Stripe tells of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner

from core import cli
from core.accounts.models import AccountRow
from core.accounts.queries import get_account
from core.cli import billing
from core.credits.payments.checkouts import Order, open_checkout, open_portal
from core.credits.payments.events import has_waiting_events, receive_event, reconcile, work_off
from core.credits.payments.models import EventRow, SubscriptionRow
from core.credits.payments.queries import billing_of, list_events, list_invoices, list_purchases
from core.credits.payments.setup import set_up_billing
from core.credits.plan_changes import set_plan
from core.credits.queries import verify_ledger
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, InvalidInput, NotFound
from tests.integration.payments.conftest import ADA, Shop
from tests.support.letters import letters_to


def test_a_paid_checkout_gives_the_plan_and_the_months_credits(shop: Shop) -> None:
    ada = shop.person()
    session_id = shop.begin(ada, "starter")
    assert shop.plan(ada) == "free", "nothing is given for having been at Checkout"
    assert billing_of(shop.runtime, ada).is_waiting
    shop.stub.pay(session_id)
    assert shop.plan(ada) == "free", "nor for the money, until it is confirmed"
    assert set(shop.deliver()) == {"done"}
    assert shop.plan(ada) == "starter" and shop.credits(ada) == 2000
    view = billing_of(shop.runtime, ada)
    assert not view.is_waiting and view.subscription is not None
    assert (view.subscription.cents, view.subscription.currency) == (1900, "eur")
    assert view.subscription.period_end == datetime(2027, 4, 10, tzinfo=UTC)
    assert verify_ledger(shop.runtime).problems == ()


def test_what_stripe_is_told(shop: Shop) -> None:
    """An address and opaque ids; no name, and nothing about the machine."""
    ada = shop.person()
    shop.begin(ada, "pro", "yearly")
    customer, session = shop.stub.only("customer"), shop.stub.only("checkout.session")
    assert customer["email"] == ADA and customer["metadata"] == {"stepiq_account": ada.id}
    assert session["customer"] == customer["id"] and session["amount_total"] == 52_920
    assert session["success_url"].endswith("/app/billing?checkout=done")
    assert session["_subscription_data"]["metadata"] == {"stepiq_account": ada.id}
    sent = [call for call in shop.stub.calls if call[:2] == ("POST", "checkout/sessions")]
    assert len(sent) == 1 and sent[0][3] == f"stepiq:checkout:{session['metadata']['stepiq_checkout']}"
    assert "card" not in str(shop.stub.calls)


def test_a_year_costs_ten_percent_less(shop: Shop) -> None:
    prices = {price["lookup_key"]: price["unit_amount"] for price in shop.stub.all("price")}
    assert prices == {
        "starter_monthly": 1900, "starter_yearly": 20_520, "pro_monthly": 4900, "pro_yearly": 52_920,
        "credits_1000": 1000,
    }  # fmt: skip


def test_the_setup_may_be_repeated_and_keeps_an_operators_price(shop: Shop) -> None:
    shop.stub.price("pro_monthly")["unit_amount"] = 5500
    again = set_up_billing(shop.runtime)
    assert again.made == () and len(again.prices) == 5 and len(shop.stub.all("price")) == 5
    assert shop.stub.price("pro_monthly")["unit_amount"] == 5500
    update = shop.stub.only("billing_portal.configuration")["features"]["subscription_update"]
    waits = [each["type"] for each in update["schedule_at_period_end"]["conditions"].values()]
    assert waits == ["decreasing_item_amount", "shortening_interval"]
    shop.stub.things["price"].clear()
    with pytest.raises(Conflict, match="billing setup"):
        shop.begin(shop.person())


def test_an_upgrade_counts_at_once_a_downgrade_at_the_end_of_the_period(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    url = open_checkout(shop.runtime, ada, Order("pro"))
    confirm = shop.stub.only("billing_portal.session")
    assert url == confirm["url"]
    assert confirm["flow_data"]["subscription_update_confirm"]["subscription"] == subscription
    asked = confirm["flow_data"]["subscription_update_confirm"]["items"]["0"]
    assert asked["price"] == shop.stub.price("pro_monthly")["id"]
    shop.stub.change(subscription, "pro_monthly")
    shop.deliver()
    assert shop.plan(ada) == "pro" and shop.credits(ada) == 8000
    shop.stub.change(subscription, "starter_monthly", at_period_end=True)
    shop.deliver()
    assert shop.plan(ada) == "pro" and shop.next_plan(ada) == ("starter", datetime(2027, 4, 10, tzinfo=UTC))
    shop.clock.advance(days=31)
    shop.stub.renew(subscription)
    shop.deliver()
    assert shop.plan(ada) == "starter" and shop.next_plan(ada) is None


def test_the_same_plan_again_is_refused(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    with pytest.raises(Conflict) as refused:
        open_checkout(shop.runtime, ada, Order("starter"))
    assert refused.value.code == "SAME_PLAN"
    shop.stub.cancel_at_end(subscription)
    shop.deliver()
    assert "billing.example.com" in open_checkout(shop.runtime, ada, Order("starter")), "where the end is taken back"


def test_cancelled_means_the_plan_goes_on_to_the_end_that_was_paid(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter", "yearly")
    shop.stub.cancel_at_end(subscription)
    shop.deliver()
    end = datetime(2028, 3, 10, tzinfo=UTC)
    assert shop.plan(ada) == "starter" and shop.next_plan(ada) == ("free", end)
    shop.stub.cancel_at_end(subscription, on=False)
    shop.deliver()
    assert shop.next_plan(ada) is None
    shop.stub.end(subscription)
    shop.deliver()
    assert shop.plan(ada) == "free"


def test_a_payment_that_fails_is_told_with_the_day_on_which_the_plan_ends(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    shop.clock.advance(days=31)
    shop.stub.renew(subscription, paid=False)
    events = list(shop.stub.events)
    shop.deliver()
    day = datetime(2027, 4, 24, tzinfo=UTC)
    assert shop.plan(ada) == "starter" and shop.next_plan(ada) == ("free", day)
    shop.deliver(events)
    (told,) = [mail for mail in letters_to(shop.runtime, ADA) if "did not arrive" in mail.subject]
    assert "2027-04-24" in told.text and "/app/billing" in told.text
    assert "billing.example.com" in open_checkout(shop.runtime, ada, Order("pro")), "first what is due"
    shop.stub.pay_overdue(subscription)
    shop.deliver()
    assert shop.plan(ada) == "starter" and shop.next_plan(ada) is None


def test_after_the_grace_the_plan_is_free_and_comes_back_with_the_money(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    shop.clock.advance(days=31)
    shop.stub.renew(subscription, paid=False)
    shop.deliver()
    shop.clock.advance(days=14)
    reconcile(shop.runtime)
    assert shop.plan(ada) == "free"
    shop.stub.pay_overdue(subscription)
    shop.deliver()
    assert shop.plan(ada) == "starter"


def test_a_plan_that_was_taken_back_when_its_day_came_returns_with_the_money(shop: Shop, runtime: Runtime) -> None:
    """The announced day was carried out by the job of plans, and nobody asked Stripe meanwhile."""
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    shop.clock.advance(days=31)
    shop.stub.renew(subscription, paid=False)
    shop.deliver()
    shop.clock.advance(days=15)
    with runtime.database.write() as session:
        set_plan(runtime, session, ada.id, "free", cause="the announced day")
    shop.stub.pay_overdue(subscription)
    shop.deliver()
    assert shop.plan(ada) == "starter"


def test_what_an_admin_set_stays_until_something_else_is_paid_for(shop: Shop, runtime: Runtime) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada, "starter")
    with runtime.database.write() as session:
        set_plan(runtime, session, ada.id, "enterprise", cause="agreed")
    shop.clock.advance(days=31)
    shop.stub.renew(subscription)
    shop.deliver()
    reconcile(runtime)
    assert shop.plan(ada) == "enterprise"
    shop.stub.end(subscription)
    shop.deliver()
    assert shop.plan(ada) == "free"


def test_an_agreed_plan_is_not_replaced_by_a_click(shop: Shop, runtime: Runtime) -> None:
    ada = shop.person()
    with runtime.database.write() as session:
        set_plan(runtime, session, ada.id, "enterprise", cause="agreed")
    with pytest.raises(Conflict) as refused:
        open_checkout(runtime, get_account(runtime, ada.id), Order("pro"))
    assert refused.value.code == "PLAN_AGREED"


def test_credits_are_bought_once_and_stay(shop: Shop) -> None:
    ada = shop.person()
    url = open_checkout(shop.runtime, ada, Order(credits=3000))
    session_id = url.rpartition("/")[2]
    assert shop.stub.only("checkout.session")["amount_total"] == 3000
    shop.stub.pay(session_id, later=True)
    shop.deliver()
    assert shop.credits(ada) == 100, "the money is only on its way"
    shop.stub.arrive(session_id)
    events = list(shop.stub.events)
    shop.deliver()
    paid_at = shop.clock.now()
    shop.clock.advance(days=1)
    shop.deliver(events)
    shop.deliver([dict(event, id=event["id"] + "_again") for event in events])
    assert shop.credits(ada) == 3100
    (bought,) = list_purchases(shop.runtime, ada.id)
    assert bought.paid_at == paid_at, "a repetition makes no new time to withdraw in"
    assert (bought.credits, bought.amount, bought.currency) == (3000, 3000, "eur")
    assert verify_ledger(shop.runtime).problems == ()


@pytest.mark.parametrize("credits", [0, 500, 1500, -1000, 21_000])
def test_credits_are_sold_in_thousands(shop: Shop, credits: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_checkout(shop.runtime, shop.person(), Order(credits=credits))
    assert refused.value.code == "INVALID_CREDITS"


def test_of_one_persons_checkouts_one_can_be_paid(shop: Shop) -> None:
    ada = shop.person()
    first = shop.begin(ada, "starter")
    second = shop.begin(ada, "pro")
    assert shop.stub.things["checkout.session"][first]["status"] == "expired"
    shop.stub.pay(second)
    shop.deliver()
    assert shop.plan(ada) == "pro"


def test_a_checkout_that_was_paid_meanwhile_is_learnt_of_before_another_is_opened(shop: Shop) -> None:
    ada = shop.person()
    shop.stub.pay(shop.begin(ada, "starter"))
    assert "billing.example.com" in open_checkout(shop.runtime, ada, Order("pro")), (
        "a change, not a second subscription"
    )
    assert shop.plan(ada) == "starter"


def test_the_portal_is_for_who_bought_something(shop: Shop) -> None:
    ada = shop.person()
    with pytest.raises(NotFound):
        open_portal(shop.runtime, ada)
    assert list_invoices(shop.runtime, ada.id) == ()
    shop.subscribe(ada)
    assert open_portal(shop.runtime, ada).startswith("https://billing.example.com")
    (invoice,) = list_invoices(shop.runtime, ada.id)
    assert (invoice.total, invoice.currency, invoice.status) == (1900, "eur", "paid")


def test_the_daily_job_learns_what_no_event_told(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada)
    shop.stub.change(subscription, "pro_monthly")
    shop.stub.events.clear()
    reconcile(shop.runtime)
    assert shop.plan(ada) == "pro"


def test_a_checkout_that_no_event_told_of_is_found_by_the_daily_job(shop: Shop) -> None:
    ada = shop.person()
    shop.stub.pay(shop.begin(ada, "pro"))
    shop.stub.events.clear()
    shop.clock.advance(hours=3)
    reconcile(shop.runtime)
    assert shop.plan(ada) == "pro"


def test_while_stripe_is_down_events_are_kept_and_worked_off_later(shop: Shop) -> None:
    ada = shop.person()
    shop.stub.pay(shop.begin(ada, "starter"))
    shop.stub.is_down = True
    assert set(shop.deliver()) == {"received"}
    assert {event.error_code for event in list_events(shop.runtime)} == {"PAYMENT_UNAVAILABLE"}
    assert shop.plan(ada) == "free"
    assert not has_waiting_events(shop.runtime, shop.clock.now())
    shop.clock.advance(minutes=2)
    assert has_waiting_events(shop.runtime, shop.clock.now())
    shop.stub.is_down = False
    assert work_off(shop.runtime) == 3
    assert shop.plan(ada) == "starter" and list_events(shop.runtime) == ()


def test_without_a_key_that_counts_the_error_says_so_and_no_more(shop: Shop) -> None:
    ada = shop.person()
    shop.stub.key = "sk_test_other"
    with pytest.raises(AppError) as refused:
        open_checkout(shop.runtime, ada, Order("starter"))
    assert refused.value.code == "PAYMENT_REFUSED" and "sk_test" not in str(refused.value)


def test_events_that_are_done_are_forgotten_after_ninety_days(shop: Shop) -> None:
    shop.subscribe(shop.person())
    shop.clock.advance(days=91)
    reconcile(shop.runtime)
    with shop.runtime.database.read() as session:
        assert session.scalars(select(EventRow)).all() == []


def test_a_subscription_of_another_product_on_the_same_account_is_left_alone(shop: Shop) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada)
    stranger = shop.stub.things["subscription"][subscription]
    stranger |= {"customer": "cus_other", "metadata": {}}
    shop.stub._emit("customer.subscription.updated", stranger)
    assert shop.deliver() == ["done"]
    assert stranger["status"] == "active" and shop.plan(ada) == "starter"


def test_of_a_deleted_person_nothing_comes_back_and_nothing_more_is_charged(shop: Shop, runtime: Runtime) -> None:
    ada = shop.person()
    subscription = shop.subscribe(ada)
    shop.stub.renew(subscription)
    with runtime.database.write() as session:
        session.execute(delete(SubscriptionRow))
        session.execute(delete(AccountRow).where(AccountRow.id == ada.id))
    assert set(shop.deliver()) == {"done"}
    with runtime.database.read() as session:
        assert session.scalars(select(SubscriptionRow)).all() == []
        assert session.scalar(select(AccountRow.id).where(AccountRow.id == ada.id)) is None
    assert shop.stub.things["subscription"][subscription]["status"] == "canceled"
    assert set(shop.deliver()) == {"done"}, "the event of that end too"


def test_an_unknown_event_is_noted(shop: Shop, runtime: Runtime) -> None:
    event = {"id": "evt_x", "object": "event", "type": "radar.early_fraud_warning.created", "data": {"object": {}}}
    assert receive_event(runtime, *shop.stub.signed(event)) == "noted"
    assert receive_event(runtime, *shop.stub.signed(event)) == "noted"
    with runtime.database.read() as session:
        assert session.scalars(select(EventRow.state)).all() == ["noted"]


@pytest.mark.parametrize("late", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_a_message_of_another_time_is_refused(shop: Shop, late: timedelta) -> None:
    event = {"id": "evt_x", "object": "event", "type": "a.b", "data": {"object": {}}}
    body, signature = shop.stub.signed(event, at=shop.clock.now() - late)
    with pytest.raises(InvalidInput):
        receive_event(shop.runtime, body, signature)


def test_the_command_that_sets_up_what_is_sold(shop: Shop, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing, "open_runtime", lambda: runtime)
    shop.stub.things["price"].clear()
    shop.stub._answers.clear()
    told = CliRunner().invoke(cli.app, ["billing", "setup"])
    assert told.exit_code == 0 and "pro_yearly: 529.20 EUR before tax (made now)" in told.output
    assert "set APP_URL to a public https one" in told.output and shop.stub.all("webhook_endpoint") == []
    runtime.settings.__dict__["app_url"] = "https://stepiq.example.org"
    told = CliRunner().invoke(cli.app, ["billing", "setup"])
    assert "STRIPE_WEBHOOK_SECRET=whsec_made" in told.output and "made now" not in told.output
    endpoint = shop.stub.only("webhook_endpoint")
    assert endpoint["url"] == "https://stepiq.example.org/api/billing/stripe/webhook"
    told = CliRunner().invoke(cli.app, ["billing", "setup"])
    assert "whsec" not in told.output and len(shop.stub.all("webhook_endpoint")) == 1


def test_without_a_key_the_command_says_what_is_missing(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "open_runtime", lambda: sqlite_runtime)
    told = CliRunner().invoke(cli.app, ["billing", "setup"])
    assert told.exit_code == 1 and "Nothing is sold" in told.output
