"""An installation that sells, with the stand-in for Stripe behind the real SDK, and a shop to buy in."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account, SessionView
from core.accounts.queries import find_session, get_account
from core.accounts.sessions import confirm_password
from core.credits.commands import grant_month
from core.credits.payments.checkouts import Order, open_checkout
from core.credits.payments.domain import Interval
from core.credits.payments.events import receive_event
from core.credits.payments.setup import set_up_billing
from core.credits.queries import balance, plan_standing
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.stripe_server import StripeServer, stripe_in_thread
from tests.support.stripe_stub import StripeStub, Thing

SELLS = {"stripe_secret_key": "sk_test_key", "stripe_webhook_secret": "whsec_test"}
ADA = "ada@example.org"


@dataclass
class Shop:
    """What a person and Stripe do between them."""

    runtime: Runtime
    stub: StripeStub
    clock: FixedClock

    def person(self, email: str = ADA, roles: tuple[str, ...] = ()) -> Account:
        """Somebody on Free, with the month's credits."""
        made = create_account(self.runtime, email=email, password=PASSWORD, plan="free", roles=roles)
        grant_month(self.runtime, made)
        return made

    def session(self, email: str = ADA) -> SessionView:
        """Signed in, with the password entered just now."""
        token = sign_in(self.runtime, email=email, password=PASSWORD).token
        view = find_session(self.runtime, token)
        assert view is not None
        confirm_password(self.runtime, view, password=PASSWORD, client_host="testclient")
        confirmed = find_session(self.runtime, token)
        assert confirmed is not None
        return confirmed

    def begin(self, owner: Account, plan: str = "starter", interval: Interval = "monthly", **more: Any) -> str:
        """Open Checkout; the id of its session."""
        url = open_checkout(self.runtime, owner, Order(plan, interval, **more))
        assert url.startswith(self.stub.checkout_page), url
        return url.rpartition("/")[2]

    def subscribe(self, owner: Account, plan: str = "starter", interval: Interval = "monthly", **more: Any) -> str:
        """Buy a plan and have it confirmed; the id of the subscription."""
        paid = self.stub.pay(self.begin(owner, plan, interval, **more))
        self.deliver()
        return str(paid["subscription"])

    def buy(self, owner: Account, credits: int) -> None:
        """Buy credits and have it confirmed."""
        url = open_checkout(self.runtime, owner, Order(credits=credits))
        self.stub.pay(url.rpartition("/")[2])
        self.deliver()

    def deliver(self, events: Iterable[Thing] | None = None) -> list[str]:
        """Send events, or all that there are, and forget them; what was answered to each."""
        sent = list(self.stub.events if events is None else events)
        if events is None:
            self.stub.events.clear()
        return [receive_event(self.runtime, *self.stub.signed(event)) for event in sent]

    def plan(self, owner: Account) -> str:
        """The plan of a person now."""
        return get_account(self.runtime, owner.id).plan

    def next_plan(self, owner: Account) -> tuple[str, datetime] | None:
        """What was announced."""
        planned = plan_standing(self.runtime, get_account(self.runtime, owner.id)).planned
        return (planned.plan, planned.at) if planned else None

    def credits(self, owner: Account) -> int:
        """Credits left, in whole ones."""
        return balance(self.runtime, get_account(self.runtime, owner.id)).available_micros // MICROS


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 3, 10, tzinfo=UTC))


@pytest.fixture
def stripe(clock: FixedClock) -> Iterator[StripeServer]:
    with stripe_in_thread(StripeStub(now=clock.now)) as server:
        yield server


@pytest.fixture
def stored_in() -> dict[str, str]:
    """The settings that choose a database: SQLite here; what turns on locks and races is tested on both."""
    return {}


@pytest.fixture
def runtime(
    runtime_with: Callable[..., Runtime], stored_in: dict[str, str], clock: FixedClock, stripe: StripeServer
) -> Runtime:
    """One that sells."""
    made = runtime_with(clock=clock, stripe_api_base=stripe.url, **SELLS, **stored_in)
    set_up_billing(made)
    return made


@pytest.fixture
def shop(runtime: Runtime, stripe: StripeServer, clock: FixedClock) -> Shop:
    stripe.stub.calls.clear()
    return Shop(runtime, stripe.stub, clock)
