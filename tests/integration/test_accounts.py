"""Accounts on both databases."""

from collections.abc import Callable

import jwt
import pytest
from sqlalchemy import text

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, owner_link, set_up_owner
from core.accounts.domain import Account
from core.accounts.passwords import set_password
from core.accounts.profile import update_profile
from core.accounts.queries import find_account, find_session, needs_setup, setup_token_valid
from core.accounts.sessions import sign_out
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput, LimitExceeded
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

pytestmark = pytest.mark.usefixtures("postgres_keys")


def _token(runtime: Runtime) -> str:
    link = owner_link(runtime)
    assert link is not None
    return link.split("token=")[1]


def test_the_setup_link_makes_one_owner_once(runtime: Runtime) -> None:
    first = _token(runtime)
    token = _token(runtime)
    assert not setup_token_valid(runtime, first), "a newer link ends the older one"
    assert setup_token_valid(runtime, token) and needs_setup(runtime)
    owner = set_up_owner(runtime, token=token, email="Owner@Example.org", password=PASSWORD)
    assert owner.is_admin and owner.plan == "enterprise" and owner.email == "owner@example.org"
    assert owner_link(runtime) is None and not needs_setup(runtime)
    with pytest.raises(Forbidden):
        set_up_owner(runtime, token=token, email="second@example.org", password=PASSWORD)


def test_a_session_lives_until_it_is_ended(runtime: Runtime, owner: Account) -> None:
    signed = sign_in(runtime, email="ADA@example.org ", password=PASSWORD, device="Firefox")
    session = find_session(runtime, signed.token)
    assert session is not None and session.account == owner
    sign_out(runtime, signed.token)
    assert find_session(runtime, signed.token) is None


def test_a_session_ends_with_time_and_with_a_new_password(runtime_with: Callable[..., Runtime]) -> None:
    clock = FixedClock()
    runtime = runtime_with(clock=clock)
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    first = sign_in(runtime, email="ada@example.org", password=PASSWORD)
    set_password(runtime, email="ada@example.org", password="another long password 7")
    assert find_session(runtime, first.token) is None
    second = sign_in(runtime, email="ada@example.org", password="another long password 7")
    clock.advance(days=13)
    assert find_session(runtime, second.token) is not None
    clock.advance(days=2)
    assert find_session(runtime, second.token) is None


def test_forged_tokens_name_no_session(runtime: Runtime, owner: Account) -> None:
    signed = sign_in(runtime, email="ada@example.org", password=PASSWORD)
    claims = jwt.decode(signed.token, options={"verify_signature": False}, audience="stepiq")
    assert (
        find_session(runtime, jwt.encode(claims, "another key that is long enough, really", algorithm="HS256")) is None
    )
    assert find_session(runtime, jwt.encode(claims, None, algorithm="none")) is None
    assert find_session(runtime, signed.token[:-4] + "AAAA") is None
    assert find_session(runtime, "nonsense") is None


def test_wrong_passwords_are_refused_and_then_slowed(runtime: Runtime, owner: Account) -> None:
    for email in ("ada@example.org", "nobody@example.org", "not an address"):
        with pytest.raises(Forbidden) as refusal:
            sign_in(runtime, email=email, password="wrong")
        assert refusal.value.code == "INVALID_CREDENTIALS"
    with pytest.raises(LimitExceeded) as slowed:
        for _ in range(20):
            with pytest.raises(Forbidden):
                sign_in(runtime, email="ada@example.org", password="wrong")
    assert slowed.value.retry_after is not None and slowed.value.retry_after > 0


@pytest.mark.parametrize("password", ["short", "x" * 73, "password", "nul\0character"])
def test_unusable_passwords_are_refused(sqlite_runtime: Runtime, password: str) -> None:
    with pytest.raises(InvalidInput):
        create_account(sqlite_runtime, email="new@example.org", password=password)


def test_an_address_has_one_account_and_is_stored_encrypted(runtime: Runtime, owner: Account) -> None:
    with pytest.raises(Conflict):
        create_account(runtime, email="Ada@example.org", password=PASSWORD)
    found = find_account(runtime, "ada@EXAMPLE.org")
    assert found is not None and found.id == owner.id
    with runtime.database.read() as session:
        stored = b"".join(
            bytes(v) for v in session.execute(text("SELECT email, name FROM accounts WHERE email IS NOT NULL")).one()
        )
        hashed = session.execute(text("SELECT password_hash FROM accounts WHERE email IS NOT NULL")).scalar_one()
    assert b"ada" not in stored.lower()
    assert hashed.startswith("$2b$04$")


def test_the_confirm_limit_is_kept_in_whole_micro_credits(runtime: Runtime, owner: Account) -> None:
    assert owner.confirm_above_micros == 25_000_000
    for credits, micros in ((0, 0), (0.1, 100_000), (1_000_000, 1_000_000_000_000)):
        update_profile(runtime, owner.id, confirm_above_credits=credits)
        found = find_account(runtime, owner.email)
        assert found is not None and found.confirm_above_micros == micros
    for wrong in (-1, 1_000_001, float("nan"), float("inf")):
        with pytest.raises(InvalidInput):
            update_profile(runtime, owner.id, confirm_above_credits=wrong)
