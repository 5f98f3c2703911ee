"""A day that spends far more than a usual one is told once, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits import postings
from core.credits.commands import set_credits
from core.credits.unusual import is_unusual, tell_unusual_spend, usual_day
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to

ADA = "ada@example.org"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 3, 1, 9, 0, tzinfo=UTC))


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


def _spend(runtime: Runtime, person: Account, credits: int) -> None:
    cause, micros = runtime.ids.new(), credits * MICROS
    with runtime.database.write() as session:
        postings.hold(runtime, session, person.id, plan=person.plan, micros=micros, cause=cause)
        postings.settle(
            runtime, session, person.id, plan=person.plan, held=micros, micros=micros, cause=cause, price_version=None
        )


def test_three_usual_days_in_one_are_told_once(runtime: Runtime, clock: FixedClock) -> None:
    ada = create_account(runtime, email=ADA, password=PASSWORD)
    other = create_account(runtime, email="calm@example.org", password=PASSWORD, plan="pro")
    set_credits(runtime, other, micros=10_000 * MICROS)
    for credits in (10, 12, 8, 90, 11):  # one dear day is none of the usual ones
        _spend(runtime, ada, credits // 2)
        _spend(runtime, ada, credits - credits // 2)
        _spend(runtime, other, 30)
        clock.advance(days=2)
    _spend(runtime, ada, 32)
    _spend(runtime, other, 60)
    assert tell_unusual_spend(runtime) == 0
    _spend(runtime, ada, 1)
    assert [tell_unusual_spend(runtime) for _ in range(2)] == [1, 0]
    assert [mail.subject for mail in letters_to(runtime, ADA)] == ["33 cr spent today, 3 times a usual day"]
    assert "On a usual day it is 11 cr" in last_letter(runtime, ADA).text
    assert letters_to(runtime, "calm@example.org") == []
    clock.advance(days=1)
    assert tell_unusual_spend(runtime) == 0, "a new day"
    _spend(runtime, ada, 60)
    assert tell_unusual_spend(runtime) == 1
    clock.advance(days=40)
    _spend(runtime, ada, 900)
    assert tell_unusual_spend(runtime) == 0, "nothing is usual after so long"


def test_what_is_usual() -> None:
    assert usual_day([5, 0, 5, 0, 5, 5]) is None, "too few days to tell"
    assert usual_day([1, 2, 0, 100, 3, 4]) == 3
    credit = MICROS
    assert not is_unusual(9 * credit, credit), "too little to worry anybody"
    assert is_unusual(10 * credit, credit) and not is_unusual(29 * credit, 10 * credit)
    assert not is_unusual(10_000 * credit, None)
