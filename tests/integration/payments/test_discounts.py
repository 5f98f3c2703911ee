"""Discount codes at Checkout: what is taken off, for whom, and how often; races on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from core.accounts.domain import Account
from core.credits.payments.checkouts import Order, open_checkout
from core.credits.payments.discounts import end_code, make_code
from core.credits.payments.errors import CodeRefused
from core.credits.payments.events import reconcile
from core.credits.payments.queries import CodeView, list_codes
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, LimitExceeded
from tests.integration.payments.conftest import ADA, Shop
from tests.support.together import together


@pytest.fixture
def root(shop: Shop) -> Account:
    return shop.person("root@example.org", ("admin",))


def make(shop: Shop, code: str = "LAUNCH", percent: int = 50, **limits: Any) -> CodeView:
    return make_code(shop.runtime, shop.session("root@example.org"), code=code, percent=percent, **limits)


def refusal(shop: Shop, owner: Account, code: str = "LAUNCH", plan: str = "starter") -> str:
    with pytest.raises(CodeRefused) as refused:
        shop.begin(owner, plan, code=code)
    return refused.value.code


def used(shop: Shop) -> int:
    (code,) = list_codes(shop.runtime).items
    return code.used


@pytest.mark.parametrize(
    ("cycles", "interval", "expected"),
    [
        (1, "monthly", {"duration": "once"}),
        (3, "monthly", {"duration": "repeating", "duration_in_months": "3"}),
        (3, "yearly", {"duration": "repeating", "duration_in_months": "36"}),
        (None, "monthly", {"duration": "forever"}),
    ],
)
def test_what_is_taken_off(shop: Shop, root: Account, cycles: int | None, interval: Any, expected: Any) -> None:
    make(shop, cycles=cycles, max_redemptions=9)
    shop.begin(shop.person(), "starter", interval, code=" launch ")
    coupon, session = shop.stub.only("coupon"), shop.stub.only("checkout.session")
    assert expected.items() <= coupon.items() and float(coupon["percent_off"]) == 50
    assert coupon["max_redemptions"] == "9", "Stripe holds the limit too"
    assert session["amount_total"] == (950 if interval == "monthly" else 10_260)
    assert ADA not in str(coupon)


def test_free_cycles_need_no_money(shop: Shop, root: Account) -> None:
    make(shop, percent=100, cycles=3)
    ada = shop.person()
    shop.subscribe(ada, "pro", code="LAUNCH")
    assert shop.plan(ada) == "pro" and used(shop) == 1


def test_a_code_counts_for_whom_and_until_when_it_was_made(shop: Shop, root: Account) -> None:
    ada, eve = shop.person(), shop.person("eve@example.org")
    make(shop, addresses=[" ADA@Example.org "], plan="starter", expires_at=shop.clock.now() + timedelta(days=2))
    assert refusal(shop, eve) == "CODE_UNKNOWN" == refusal(shop, eve, "NOTHING"), "others cannot tell that there is one"
    assert refusal(shop, ada, plan="pro") == "CODE_OTHER_PLAN"
    shop.begin(ada, code="LAUNCH")
    shop.clock.advance(days=3)
    assert refusal(shop, ada) == "CODE_EXPIRED"


def test_a_code_that_was_taken_back_counts_no_more(shop: Shop, root: Account) -> None:
    made = make(shop)
    end_code(shop.runtime, shop.session("root@example.org"), made.id)
    assert refusal(shop, shop.person()) == "CODE_UNKNOWN"


def test_a_person_uses_a_code_once(shop: Shop, root: Account) -> None:
    make(shop)
    ada = shop.person()
    shop.stub.end(shop.subscribe(ada, code="LAUNCH"))
    shop.deliver()
    assert refusal(shop, ada) == "CODE_USED" and used(shop) == 1


def test_a_checkout_that_is_left_frees_the_code(shop: Shop, root: Account) -> None:
    make(shop, max_redemptions=1)
    ada, eve = shop.person(), shop.person("eve@example.org")
    session_id = shop.begin(ada, code="LAUNCH")
    assert refusal(shop, eve) == "CODE_USED_UP"
    assert shop.begin(ada, code="LAUNCH") != session_id, "the same person may begin anew"
    shop.stub.expire(shop.stub.all("checkout.session")[-1]["id"])
    shop.deliver()
    assert used(shop) == 0
    shop.subscribe(eve, code="LAUNCH")
    assert used(shop) == 1


def test_a_checkout_that_nobody_told_of_frees_the_code_with_the_daily_job(shop: Shop, root: Account) -> None:
    make(shop, max_redemptions=1)
    shop.stub.expire(shop.begin(shop.person(), code="LAUNCH"))
    shop.stub.events.clear()
    shop.clock.advance(hours=3)
    reconcile(shop.runtime)
    assert used(shop) == 0


def test_a_refused_code_leaves_nothing_behind(shop: Shop, root: Account) -> None:
    ada = shop.person()
    assert refusal(shop, ada) == "CODE_UNKNOWN"
    assert shop.stub.all("checkout.session") == []
    shop.begin(ada)


def test_codes_are_not_guessed(shop: Shop) -> None:
    ada = shop.person()
    for _ in range(20):
        assert refusal(shop, ada, "GUESS") == "CODE_UNKNOWN"
    with pytest.raises(LimitExceeded):
        shop.begin(ada, code="GUESS")


def test_a_code_is_for_a_new_subscription(shop: Shop, root: Account) -> None:
    make(shop)
    ada = shop.person()
    shop.subscribe(ada)
    with pytest.raises(InvalidInput) as refused:
        open_checkout(shop.runtime, ada, Order("pro", code="LAUNCH"))
    assert refused.value.code == "CODE_FOR_NEW"


class TestRaces:
    """On both databases."""

    @pytest.fixture
    def stored_in(self, database_settings: dict[str, str]) -> dict[str, str]:
        return database_settings

    def test_checkouts_that_race_never_pass_the_limit(self, shop: Shop, root: Account, runtime: Runtime) -> None:
        make(shop, max_redemptions=3)
        people = [shop.person(f"p{number}@example.org") for number in range(8)]
        order = Order("starter", code="LAUNCH")
        answers = together(*(lambda who=who: open_checkout(runtime, who, order) for who in people))
        opened = [answer for answer in answers if isinstance(answer, str)]
        refused = [answer for answer in answers if isinstance(answer, CodeRefused)]
        assert len(opened) == 3 and len(refused) == 5, answers
        assert {error.code for error in refused} == {"CODE_USED_UP"} and used(shop) == 3
        for url in opened:
            shop.stub.pay(url.rpartition("/")[2])
        events = list(shop.stub.events)
        shop.deliver()
        shop.deliver(reversed(events))
        assert used(shop) == 3, "a use that was confirmed twice counts once"

    def test_one_person_at_once_opens_one_checkout(self, shop: Shop, runtime: Runtime) -> None:
        ada = shop.person()
        answers = together(*[lambda: open_checkout(runtime, ada, Order("starter"))] * 4)
        open_now = [each for each in shop.stub.all("checkout.session") if each["status"] == "open"]
        assert len(open_now) == 1, answers
        assert len(shop.stub.all("customer")) == 1
