"""The ledger on both databases: sums, guards, repetition, concurrency."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits import postings
from core.credits.commands import grant_month, set_credits
from core.credits.domain import InsufficientCredits
from core.credits.queries import balance, verify_ledger
from core.platform.runtime import Runtime
from core.shared.errors import InvariantViolated
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock


@pytest.fixture
def person(runtime: Runtime) -> Account:
    return create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")


def _hold(runtime: Runtime, person: Account, micros: int, cause: str) -> None:
    with runtime.database.write() as session:
        postings.hold(runtime, session, person.id, plan=person.plan, micros=micros, cause=cause)


def _settle(runtime: Runtime, person: Account, held: int, micros: int, cause: str) -> None:
    with runtime.database.write() as session:
        postings.settle(
            runtime, session, person.id, plan=person.plan, held=held, micros=micros, cause=cause, price_version=None
        )


def test_a_hold_is_settled_once_and_the_rest_returns(runtime: Runtime, person: Account) -> None:
    set_credits(runtime, person, micros=10 * MICROS)
    for _ in range(2):
        _hold(runtime, person, 4 * MICROS, "run:a:1")
    assert balance(runtime, person).available_micros == 6 * MICROS
    for _ in range(2):
        _settle(runtime, person, 4 * MICROS, MICROS, "run:a:1")
    with runtime.database.write() as session:
        postings.release(runtime, session, person.id, held=4 * MICROS, cause="run:a:1")
    now = balance(runtime, person)
    assert (now.available_micros, now.held_micros, now.spent_micros) == (9 * MICROS, 0, MICROS)
    assert verify_ledger(runtime).problems == ()


def test_what_is_not_there_cannot_be_held(runtime: Runtime, person: Account) -> None:
    set_credits(runtime, person, micros=MICROS)
    with pytest.raises(InsufficientCredits) as refusal:
        _hold(runtime, person, MICROS + 1, "run:a:1")
    assert "1 cr" in refusal.value.message
    with pytest.raises(InvariantViolated):
        _settle(runtime, person, 1, 2, "run:b:1")


def test_a_refused_hold_books_nothing_and_its_transaction_goes_on(runtime: Runtime, person: Account) -> None:
    set_credits(runtime, person, micros=10)
    with runtime.database.write() as session:
        with pytest.raises(InsufficientCredits):
            postings.hold(runtime, session, person.id, plan=person.plan, micros=11, cause="run:a:1")
        postings.hold(runtime, session, person.id, plan=person.plan, micros=7, cause="run:a:1")
    now = balance(runtime, person)
    assert (now.available_micros, now.held_micros) == (3, 7)
    assert verify_ledger(runtime).problems == ()
    with runtime.database.read() as session:
        keys = session.scalars(text("SELECT idempotency_key FROM ledger_transactions WHERE kind = 'hold'")).all()
    assert keys == ["hold:run:a:1"]


def test_concurrent_holds_never_pass_the_balance(runtime: Runtime, person: Account) -> None:
    set_credits(runtime, person, micros=10)

    def attempt(number: int) -> bool:
        try:
            _hold(runtime, person, 1, f"run:{number}:1")
        except InsufficientCredits:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        held = sum(pool.map(attempt, range(50)))
    assert held == 10
    assert balance(runtime, person).held_micros == 10
    assert verify_ledger(runtime).problems == ()


def test_the_month_is_granted_once_from_the_anchor_day(runtime_with: Callable[..., Runtime]) -> None:
    clock = FixedClock()
    runtime = runtime_with(clock=clock)
    person = create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")
    grant_month(runtime, person)
    grant_month(runtime, person)
    assert balance(runtime, person).available_micros == 100 * MICROS
    clock.advance(days=32)
    grant_month(runtime, person)
    assert balance(runtime, person).granted_micros == 200 * MICROS


def test_a_tampered_balance_is_found(runtime: Runtime, person: Account) -> None:
    set_credits(runtime, person, micros=10)
    with runtime.database.write() as session:
        session.execute(text("UPDATE credit_accounts SET available_micros = 11"))
    assert "available is 11" in verify_ledger(runtime).problems[0]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), max_size=8))
def test_any_course_of_holds_and_settlements_balances(sqlite_runtime: Runtime, moves: list[tuple[int, int]]) -> None:
    number = sqlite_runtime.ids.new()
    person = create_account(sqlite_runtime, email=f"p{number}@example.org", password=PASSWORD, plan="free")
    set_credits(sqlite_runtime, person, micros=100)
    spent = 0
    for index, (held, used) in enumerate(moves):
        cause = f"{number}:{index}:1"
        try:
            _hold(sqlite_runtime, person, held, cause)
        except InsufficientCredits:
            assert held > 100 - spent
            continue
        _settle(sqlite_runtime, person, held, min(held, used), cause)
        spent += min(held, used)
    now = balance(sqlite_runtime, person)
    assert (now.available_micros, now.held_micros, now.spent_micros) == (100 - spent, 0, spent)
    assert verify_ledger(sqlite_runtime).problems == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger_transactions SET cause = 'another' WHERE number = 2",
        "UPDATE ledger_transactions SET price_version = 'cheaper' WHERE number = 2",
        "UPDATE ledger_transactions SET number = 99 WHERE number = 2",
        "UPDATE credit_accounts SET head = (SELECT hash FROM ledger_transactions WHERE number = 1)",
        "UPDATE credit_accounts SET movements = movements + 1",
    ],
)
def test_an_altered_chain_is_found(runtime: Runtime, person: Account, damage: str) -> None:
    set_credits(runtime, person, micros=10)
    _hold(runtime, person, 4, "run:a:1")
    _settle(runtime, person, 4, 1, "run:a:1")
    assert verify_ledger(runtime).problems == ()
    with runtime.database.write() as session:
        session.execute(text(damage))
    (problem,) = verify_ledger(runtime).problems
    assert "chain" in problem or "does not follow" in problem


def test_what_is_left_of_a_month_ends_with_it_and_what_was_bought_stays(runtime: Runtime, person: Account) -> None:
    def post(name: str, micros: int, cause: str) -> None:
        with runtime.database.write() as session:
            getattr(postings, name)(runtime, session, person.id, micros=micros, cause=cause)

    post("begin_month", 100, "first")
    post("purchase", 30, "pack")
    _hold(runtime, person, 60, "run:a:1")  # of the month; goes on over its end
    post("begin_month", 100, "second")
    assert balance(runtime, person).available_micros == 130, "40 of the first month ended"
    _settle(runtime, person, 60, 10, "run:a:1")
    now = balance(runtime, person)
    assert (now.available_micros, now.spent_micros) == (130, 10), "what came back was of a month that is over"
    _hold(runtime, person, 110, "run:b:1")
    with runtime.database.write() as session:
        assert postings.refund(runtime, session, person.id, at_most=30, cause="pack") == 20, "ten of the pack are held"
    assert verify_ledger(runtime).problems == ()
