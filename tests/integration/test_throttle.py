"""Guessing passwords: slowed for the guesser, never a way to lock somebody out; on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from core.accounts.authentication import sign_in
from core.accounts.domain import Account
from core.accounts.throttle import PER_ADDRESS, PER_CLIENT, PER_PAIR, client_network
from core.platform.models import RateWindow
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, LimitExceeded
from jobs import key_cleanup
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

pytestmark = pytest.mark.slow_on_postgres

EMAIL, HOME, ABROAD = "ada@example.org", "192.0.2.7", "198.51.100.1"


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


def guess(runtime: Runtime, host: str | None, email: str = EMAIL) -> str:
    try:
        sign_in(runtime, email=email, password="wrong wrong", client_host=host)
    except (Forbidden, LimitExceeded) as error:
        return error.code
    return "in"


def enter(runtime: Runtime, host: str | None) -> bool:
    return sign_in(runtime, email=EMAIL, password=PASSWORD, client_host=host).account.email == EMAIL


def host(number: int) -> str:
    return f"203.0.113.{number}"


def test_one_guesser_is_stopped_and_hinders_nobody_else(runtime: Runtime, owner: Account, clock: FixedClock) -> None:
    assert [guess(runtime, ABROAD) for _ in range(PER_PAIR)] == ["INVALID_CREDENTIALS"] * PER_PAIR
    assert [guess(runtime, ABROAD) for _ in range(200)] == ["RATE_LIMITED"] * 200
    with pytest.raises(LimitExceeded) as slowed:
        enter(runtime, ABROAD)
    assert slowed.value.retry_after is not None and 0 < slowed.value.retry_after <= 15 * 60
    assert enter(runtime, HOME), "somebody at another address gets in at their first visit"
    clock.advance(minutes=15)
    assert enter(runtime, ABROAD), "and so does the one who mistyped, a quarter of an hour later"


def test_one_client_may_not_try_many_people(runtime: Runtime, owner: Account) -> None:
    codes = [guess(runtime, ABROAD, f"person{number}@example.org") for number in range(PER_CLIENT)]
    assert set(codes) == {"INVALID_CREDENTIALS"}
    assert guess(runtime, ABROAD, "another@example.org") == "RATE_LIMITED"
    assert guess(runtime, HOME, "another@example.org") == "INVALID_CREDENTIALS"
    with pytest.raises(LimitExceeded):
        enter(runtime, ABROAD)


def test_people_who_get_in_do_not_count_against_their_office(runtime: Runtime, owner: Account) -> None:
    assert all(enter(runtime, HOME) for _ in range(PER_CLIENT + PER_ADDRESS))


def test_a_guesser_with_many_clients_locks_nobody_out_of_where_they_have_been(
    runtime: Runtime, owner: Account, clock: FixedClock
) -> None:
    assert enter(runtime, HOME)
    clock.advance(days=29)
    for number in range(30):
        for _ in range(PER_PAIR):
            guess(runtime, host(number))
    assert guess(runtime, host(99)) == "RATE_LIMITED", "the address is closed to strangers"
    assert all(enter(runtime, HOME) for _ in range(3)), "but not to its person"
    clock.advance(minutes=15)
    assert guess(runtime, host(99)) == "INVALID_CREDENTIALS"
    clock.advance(days=29)
    assert enter(runtime, HOME), "each visit is remembered anew"


def test_a_known_place_does_not_help_a_guesser_there(runtime: Runtime, owner: Account) -> None:
    assert enter(runtime, HOME)
    assert [guess(runtime, HOME) for _ in range(PER_PAIR + 1)][-1] == "RATE_LIMITED"


def test_a_proxy_that_is_not_named_does_not_close_the_door_for_all(runtime: Runtime, owner: Account) -> None:
    for number in range(PER_CLIENT + 1):
        guess(runtime, "127.0.0.1", f"person{number}@example.org")
    assert enter(runtime, "127.0.0.1") and enter(runtime, None)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("127.8.8.8", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        (None, ""),
        ("a socket", "a socket"),
    ],
)
def test_what_counts_as_one_client(address: str | None, counted: str) -> None:
    assert client_network(address) == counted


def test_nothing_is_kept_for_more_than_30_days_and_nothing_readable_at_all(
    runtime: Runtime, owner: Account, clock: FixedClock
) -> None:
    enter(runtime, HOME)
    guess(runtime, ABROAD)
    with runtime.database.read() as session:
        stored = session.scalars(select(RateWindow.key)).all()
    assert len(stored) >= 4 and all(len(key) == 32 for key in stored)
    clock.advance(days=29)
    assert key_cleanup.run(runtime, clock.now()) == 0
    clock.advance(days=1)
    assert key_cleanup.run(runtime, clock.now()) > 0
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RateWindow)) == 0
