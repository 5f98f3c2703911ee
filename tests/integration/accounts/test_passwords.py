"""A forgotten password, a changed one, and what a stranger can do with neither."""

import time
from statistics import median

import pytest

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.passwords import change_password, check_reset_link, forget_password, reset_password
from core.accounts.queries import find_session, list_sessions
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to, token_in

OTHER = "seven purple submarines"


def reset_token(runtime: Runtime, account: Account) -> str:
    forget_password(runtime, email=account.email)
    return token_in(last_letter(runtime, account.email), "/auth/reset")


def test_a_mailed_link_sets_a_password_once_and_ends_every_session(runtime: Runtime, ada: Account) -> None:
    here = session_of(runtime, ada.email)
    token = reset_token(runtime, ada)
    check_reset_link(runtime, token)
    reset_password(runtime, token=token, password=OTHER)
    assert list_sessions(runtime, ada.id, here.id) == ()
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ada.email, password=PASSWORD)
    assert session_of(runtime, ada.email, OTHER).account.id == ada.id
    assert "password was changed" in last_letter(runtime, ada.email).subject
    for act in (
        lambda: reset_password(runtime, token=token, password=PASSWORD),
        lambda: check_reset_link(runtime, token),
    ):
        with pytest.raises(Forbidden) as reused:
            act()
        assert reused.value.code == "LINK_INVALID"


def test_a_link_ends_after_an_hour_and_with_a_newer_one(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    first = reset_token(runtime, ada)
    clock.advance(minutes=1)
    second = reset_token(runtime, ada)
    with pytest.raises(Forbidden):
        reset_password(runtime, token=first, password=OTHER)
    clock.advance(hours=1)
    with pytest.raises(Forbidden):
        reset_password(runtime, token=second, password=OTHER)
    with pytest.raises(Forbidden):
        reset_password(runtime, token="guessed", password=OTHER)


def test_a_weak_password_leaves_the_link_usable(runtime: Runtime, ada: Account) -> None:
    token = reset_token(runtime, ada)
    with pytest.raises(InvalidInput):
        reset_password(runtime, token=token, password="password")
    reset_password(runtime, token=token, password=OTHER)


def test_changing_the_password_ends_an_open_reset_link(runtime: Runtime, ada: Account) -> None:
    token = reset_token(runtime, ada)
    change_password(runtime, session_of(runtime, ada.email), current=PASSWORD, password=OTHER)
    with pytest.raises(Forbidden):
        reset_password(runtime, token=token, password=PASSWORD)


def test_a_changed_password_ends_the_other_sessions_only(runtime: Runtime, ada: Account) -> None:
    here, there = session_of(runtime, ada.email), session_of(runtime, ada.email)
    with pytest.raises(Forbidden) as wrong:
        change_password(runtime, here, current="wrong", password=OTHER)
    assert wrong.value.context["field"] == "current"
    with pytest.raises(InvalidInput):
        change_password(runtime, here, current=PASSWORD, password=PASSWORD)
    assert len(list_sessions(runtime, ada.id)) == 2, "nothing was changed so far"
    change_password(runtime, here, current=PASSWORD, password=OTHER)
    assert [view.id for view in list_sessions(runtime, ada.id)] == [here.id] != [there.id]


def test_guessing_the_present_password_is_slowed(runtime: Runtime, ada: Account) -> None:
    here = session_of(runtime, ada.email)
    with pytest.raises(LimitExceeded):
        for _ in range(20):
            with pytest.raises(Forbidden):
                change_password(runtime, here, current="guess", password=OTHER)


def test_nobody_learns_who_has_an_account(runtime: Runtime, ada: Account) -> None:
    for email in (ada.email, "nobody@example.org", "not an address", ""):
        assert forget_password(runtime, email=email) is None
    assert len(letters_to(runtime, ada.email)) == 1
    assert letters_to(runtime, "nobody@example.org") == []
    for _ in range(9):
        forget_password(runtime, email=ada.email)
    assert len(letters_to(runtime, ada.email)) == 5, "five an hour, silently"


def test_an_unknown_address_takes_as_long_as_a_known_one(runtime: Runtime, ada: Account) -> None:
    """As a ratio of medians, taken in turns: what is compared is the work that is done, not this machine."""

    def seconds(act, email: str) -> float:
        begun = time.perf_counter()
        act(email)
        return time.perf_counter() - begun

    def forget(email: str) -> None:
        forget_password(runtime, email=email)

    forget("warm@example.org")
    people = [f"person{number}@example.org" for number in range(24)]
    for email in people:
        create_account(runtime, email=email, password=PASSWORD)
    pairs = [(seconds(forget, email), seconds(forget, f"no-{email}")) for email in people]
    assert 0.5 < median(known / unknown for known, unknown in pairs) < 2.0


def test_a_used_token_is_none_of_a_session(runtime: Runtime, ada: Account) -> None:
    assert find_session(runtime, reset_token(runtime, ada)) is None
