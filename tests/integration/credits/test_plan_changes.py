"""A plan is raised at once with what is left of the month, lowered without taking anything, announced once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import get_account, get_operator
from core.credits.commands import grant_month
from core.credits.plan_changes import cancel_planned, plan_at, set_plan
from core.credits.queries import balance, plan_standing, verify_ledger
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, NotFound
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

JOINED = datetime(2027, 4, 1, tzinfo=UTC)  # a month of thirty days


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(JOINED)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    person = create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")
    grant_month(runtime, person)
    return person


def _set(runtime: Runtime, person: Account, plan: str, cause: str) -> bool:
    with runtime.database.write() as session:
        return set_plan(runtime, session, person.id, plan, cause=cause)


def _credits(runtime: Runtime, person: Account) -> float:
    now = get_account(runtime, person.id)
    grant_month(runtime, now)
    assert verify_ledger(runtime).problems == ()
    return balance(runtime, now).available_micros / MICROS


def test_a_raise_gives_what_is_left_of_the_month_once(runtime: Runtime, person: Account, clock: FixedClock) -> None:
    clock.advance(days=15)
    assert _set(runtime, person, "starter", "a")
    assert not _set(runtime, person, "starter", "b"), "nothing changes"
    assert _credits(runtime, person) == 100 + 950, "half of a month at 1,900 more"
    clock.advance(days=7.5)
    assert _set(runtime, person, "pro", "c")
    assert _credits(runtime, person) == 100 + 950 + 1_500, "a quarter of a month at 6,000 more"
    assert not _set(runtime, person, "starter", "a"), "this cause did it already"
    clock.advance(days=8)
    assert _credits(runtime, person) == 8_000, "the next month is the plan's, whole"


def test_who_goes_down_keeps_the_month_and_gains_nothing_by_going_up_again(
    runtime: Runtime, person: Account, clock: FixedClock
) -> None:
    clock.advance(days=15)
    for number, plan in enumerate(("pro", "free", "pro", "starter", "enterprise", "pro")):
        assert _set(runtime, person, plan, f"turn:{number}")
        assert _credits(runtime, person) == 100 + 3_950
    assert _set(runtime, person, "free", "down")
    clock.advance(days=16)
    assert _credits(runtime, person) == 100


def test_who_counted_nothing_begins_a_month(runtime: Runtime, clock: FixedClock) -> None:
    owner = create_account(runtime, email="ada@example.org", password=PASSWORD)
    clock.advance(days=10)
    _set(runtime, owner, "starter", "down")
    assert balance(runtime, get_account(runtime, owner.id)).available_micros == 2_000 * MICROS


def test_an_announcement_is_replaced_taken_back_and_forgotten_with_a_newer_decision(
    runtime: Runtime, person: Account, clock: FixedClock
) -> None:
    _set(runtime, person, "pro", "bought")
    day = JOINED + timedelta(days=30)

    def announce(plan: str, at: datetime) -> None:
        with runtime.database.write() as session:
            plan_at(runtime, session, person.id, plan, at=at, cause="ended")

    def planned() -> tuple[str, datetime, datetime | None] | None:
        found = plan_standing(runtime, get_account(runtime, person.id)).planned
        return (found.plan, found.at, found.logs_go_before) if found else None

    announce("starter", day)
    assert planned() == ("starter", day, None)
    announce("free", day)
    assert planned() == ("free", day, day + timedelta(days=7 - 90)), "and a week of grace"
    announce("pro", day)
    assert planned() is None, "the plan the person has"
    announce("free", day)
    with runtime.database.write() as session:
        assert cancel_planned(runtime, session, person.id)
        assert not cancel_planned(runtime, session, person.id)
    announce("free", day)
    clock.advance(hours=1)
    _set(runtime, person, "starter", "changed")
    assert planned() is None
    standing = plan_standing(runtime, get_account(runtime, person.id))
    assert (standing.plan, standing.since) == ("starter", JOINED + timedelta(hours=1))


def test_only_people_have_plans(runtime: Runtime, person: Account) -> None:
    for owner_id in (runtime.ids.new(), get_operator(runtime).id):
        with pytest.raises(NotFound), runtime.database.write() as session:
            set_plan(runtime, session, owner_id, "pro", cause="x")
    with pytest.raises(InvalidInput), runtime.database.write() as session:
        set_plan(runtime, session, person.id, "gold", cause="x")
