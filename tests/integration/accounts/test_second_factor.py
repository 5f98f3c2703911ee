"""Codes of an authenticator app, recovery codes, and what a password alone is worth then."""

from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import text

from core.accounts import second_factor
from core.accounts.authentication import finish_sign_in, sign_in
from core.accounts.domain import Account
from core.accounts.passwords import change_password
from core.accounts.queries import get_account, list_sessions
from core.accounts.sessions import confirm_password
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, InvalidInput, LimitExceeded
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import last_letter


def app_of(runtime: Runtime, account: Account) -> pyotp.TOTP:
    address = second_factor.begin(runtime, account)
    assert urlsplit(address).scheme == "otpauth" and "stepIQ" in address
    return pyotp.TOTP(parse_qs(urlsplit(address).query)["secret"][0])


def switched_on(runtime: Runtime, account: Account, clock: FixedClock) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    app = app_of(runtime, account)
    codes = second_factor.switch_on(runtime, account, app.at(clock.now()))
    clock.advance(seconds=30)
    return app, codes


def test_it_is_on_after_a_code_of_the_new_key(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    first = app_of(runtime, ada)
    app = app_of(runtime, ada)
    with pytest.raises(InvalidInput):
        second_factor.switch_on(runtime, ada, first.at(clock.now()))
    assert not get_account(runtime, ada.id).has_second_factor
    sign_in(runtime, email=ada.email, password=PASSWORD)  # so far the password is enough
    codes = second_factor.switch_on(runtime, ada, app.at(clock.now()))
    assert len(set(codes)) == 10 and get_account(runtime, ada.id).has_second_factor
    assert "Second factor switched on" in last_letter(runtime, ada.email).subject
    with pytest.raises(Conflict):
        second_factor.begin(runtime, ada)
    with pytest.raises(Conflict):
        second_factor.switch_on(runtime, ada, app.at(clock.now()))


def test_the_password_alone_opens_no_session(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    app, _ = switched_on(runtime, ada, clock)
    with pytest.raises(Forbidden) as half:
        sign_in(runtime, email=ada.email, password=PASSWORD)
    assert half.value.code == "SECOND_FACTOR_REQUIRED" and list_sessions(runtime, ada.id) == ()
    assert half.value.context["challenge"] not in str(half.value) + repr(half.value)
    with pytest.raises(Forbidden) as wrong:
        sign_in(runtime, email=ada.email, password="wrong", code=app.at(clock.now()))
    assert wrong.value.code == "INVALID_CREDENTIALS"
    assert sign_in(runtime, email=ada.email, password=PASSWORD, code=app.at(clock.now())).account.id == ada.id


def test_a_code_counts_once_and_for_a_minute_and_a_half(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    app, _ = switched_on(runtime, ada, clock)
    code = app.at(clock.now())
    session_of(runtime, ada.email, code=code)
    with pytest.raises(Forbidden) as replayed:
        sign_in(runtime, email=ada.email, password=PASSWORD, code=code)
    assert replayed.value.code == "WRONG_CODE"
    older = app.at(clock.now())
    clock.advance(seconds=60)
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ada.email, password=PASSWORD, code=older)
    late = app.at(clock.now())
    clock.advance(seconds=30)
    session_of(runtime, ada.email, code=f"{late[:3]} {late[3:]}")


def test_a_recovery_code_stands_in_once(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    _, codes = switched_on(runtime, ada, clock)
    session_of(runtime, ada.email, code=codes[3].upper().replace("-", " "))
    assert second_factor.count_codes(runtime, ada.id) == 9
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ada.email, password=PASSWORD, code=codes[3])
    fresh = second_factor.renew_codes(runtime, ada)
    assert not set(fresh) & set(codes) and second_factor.count_codes(runtime, ada.id) == 10
    with pytest.raises(Forbidden):
        sign_in(runtime, email=ada.email, password=PASSWORD, code=codes[4])


def test_guessing_codes_is_slowed_although_the_password_is_known(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    app, _ = switched_on(runtime, ada, clock)
    challenge = challenge_of(runtime, ada)
    with pytest.raises(LimitExceeded):
        for _ in range(second_factor.TRIES + 1):
            with pytest.raises(Forbidden):
                finish_sign_in(runtime, challenge=challenge, code="000000")
    with pytest.raises(LimitExceeded):
        sign_in(runtime, email=ada.email, password=PASSWORD, code=app.at(clock.now()))
    clock.advance(minutes=16)
    session_of(runtime, ada.email, code=app.at(clock.now()))


def challenge_of(runtime: Runtime, account: Account) -> str:
    with pytest.raises(Forbidden) as half:
        sign_in(runtime, email=account.email, password=PASSWORD)
    return str(half.value.context["challenge"])


def test_the_second_half_of_a_sign_in_is_bound_to_the_first(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    app, _ = switched_on(runtime, ada, clock)
    challenge = challenge_of(runtime, ada)
    with pytest.raises(Forbidden):
        finish_sign_in(runtime, challenge=challenge, code="000000")
    for forged in (challenge[:-4] + "AAAA", "nonsense", ""):
        with pytest.raises(Forbidden) as refused:
            finish_sign_in(runtime, challenge=forged, code=app.at(clock.now()))
        assert refused.value.code == "CHALLENGE_ENDED"
    assert finish_sign_in(runtime, challenge=challenge, code=app.at(clock.now())).account.id == ada.id
    clock.advance(minutes=5)
    with pytest.raises(Forbidden) as late:
        finish_sign_in(runtime, challenge=challenge, code=app.at(clock.now()))
    assert late.value.code == "CHALLENGE_ENDED"
    view = session_of(runtime, ada.email, code=app.at(clock.now()))
    challenge = challenge_of(runtime, ada)
    change_password(runtime, view, current=PASSWORD, password="seven purple submarines")
    clock.advance(seconds=30)
    with pytest.raises(Forbidden):
        finish_sign_in(runtime, challenge=challenge, code=app.at(clock.now()))


def test_confirming_the_password_asks_for_it_too(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    app, _ = switched_on(runtime, ada, clock)
    view = session_of(runtime, ada.email, code=app.at(clock.now()))
    with pytest.raises(Forbidden) as half:
        confirm_password(runtime, view, PASSWORD)
    assert half.value.code == "SECOND_FACTOR_REQUIRED"
    clock.advance(seconds=30)
    confirm_password(runtime, view, PASSWORD, code=app.at(clock.now()))


def test_switching_it_off_forgets_everything(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    switched_on(runtime, ada, clock)
    second_factor.switch_off(runtime, ada)
    assert not get_account(runtime, ada.id).has_second_factor and second_factor.count_codes(runtime, ada.id) == 0
    session_of(runtime, ada.email)
    assert "Second factor switched off" in last_letter(runtime, ada.email).subject


def test_neither_key_nor_codes_are_stored_readable(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    app, codes = switched_on(runtime, ada, clock)
    with runtime.database.read() as session:
        stored = bytes(
            session.execute(text("SELECT totp_secret FROM accounts WHERE totp_secret IS NOT NULL")).scalar_one()
        )
        hashed = b"".join(
            bytes(value) for value in session.execute(text("SELECT code_hash FROM recovery_codes")).scalars()
        )
    assert app.secret.encode() not in stored
    assert all(code.encode() not in hashed and code.replace("-", "").encode() not in hashed for code in codes)
