"""A change of address: confirmed at the new one, told at the old one, and taken back from there."""

import pytest

from core.accounts.addresses import ask_address_change, check_address_link, confirm_address, undo_address
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.passwords import forget_password, reset_password
from core.accounts.queries import find_account, get_account, list_sessions
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to, token_in

NEW = "ada@elsewhere.example"


def asked(runtime: Runtime, account: Account, new: str = NEW) -> str:
    ask_address_change(runtime, session_of(runtime, account.email), new)
    return token_in(last_letter(runtime, new), "/auth/address/confirm")


def test_an_address_changes_once_it_is_confirmed_and_the_old_one_is_told(runtime: Runtime, ada: Account) -> None:
    forget_password(runtime, email=ada.email)
    reset = token_in(last_letter(runtime, ada.email), "/auth/reset")
    token = asked(runtime, ada)
    assert get_account(runtime, ada.id).email == ada.email, "nothing changes before"
    check_address_link(runtime, token)
    confirm_address(runtime, token)
    assert get_account(runtime, ada.id).email == NEW and find_account(runtime, ada.email) is None
    assert sign_in(runtime, email=NEW, password=PASSWORD).account.id == ada.id
    with pytest.raises(Forbidden):
        reset_password(runtime, token=reset, password="seven purple submarines")
    with pytest.raises(Forbidden):
        confirm_address(runtime, token)
    assert "address was changed" in last_letter(runtime, ada.email).subject


def test_the_old_address_takes_a_change_back_for_a_week(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    confirm_address(runtime, asked(runtime, ada))
    undo = token_in(last_letter(runtime, ada.email), "/auth/address/undo")
    clock.advance(days=6, hours=23)
    session_of(runtime, NEW)
    undo_address(runtime, undo)
    assert get_account(runtime, ada.id).email == ada.email and list_sessions(runtime, ada.id) == ()
    with pytest.raises(Forbidden):
        undo_address(runtime, undo)


def test_an_address_that_somebody_has_is_not_told_and_not_taken(runtime: Runtime, ada: Account) -> None:
    create_account(runtime, email="eve@example.org", password=PASSWORD)
    ask_address_change(runtime, session_of(runtime, ada.email), "eve@example.org")
    assert "have an account already" in last_letter(runtime, "eve@example.org").subject
    token = asked(runtime, ada)
    create_account(runtime, email=NEW, password=PASSWORD)  # meanwhile
    with pytest.raises(Conflict):
        confirm_address(runtime, token)
    assert get_account(runtime, ada.id).email == ada.email


def test_a_change_asks_for_the_password_and_for_another_address(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    view = session_of(runtime, ada.email)
    for wrong in (ada.email.upper(), "nothing", "a@b\r\nBcc: eve@example.org", "eve@example.org, ada@example.org"):
        with pytest.raises(InvalidInput):
            ask_address_change(runtime, view, wrong)
    clock.advance(minutes=11)
    with pytest.raises(Forbidden) as stale:
        ask_address_change(runtime, view, NEW)
    assert stale.value.code == "CONFIRM_PASSWORD" and letters_to(runtime, NEW) == []


def test_a_link_ends_after_a_day_and_with_a_newer_one(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    first = asked(runtime, ada)
    second = asked(runtime, ada, "third@example.org")
    with pytest.raises(Forbidden):
        confirm_address(runtime, first)
    clock.advance(hours=24)
    with pytest.raises(Forbidden):
        confirm_address(runtime, second)
