"""Sign-ins: the list, renewing, ending one and all, asking for the password again, and the mail about a new place."""

import bcrypt
import jwt
import pytest
from sqlalchemy import text

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import find_session, list_sessions
from core.accounts.sessions import (
    check_confirmed,
    confirm_password,
    end_session,
    renew,
    sign_out,
    sign_out_everywhere,
)
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import Installation, session_of
from tests.support.clock import FixedClock
from tests.support.letters import letters_to

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)


def test_every_sign_in_is_a_new_session_with_its_device_and_last_use(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    first = session_of(runtime, ada.email, device=FIREFOX)
    clock.advance(minutes=30)
    second = session_of(runtime, ada.email, device=PHONE)
    assert first.id != second.id, "a session that was there before a sign-in is never taken over"
    clock.advance(hours=1)
    token = sign_in(runtime, email=ada.email, password=PASSWORD, device="curl/8.5").token
    clock.advance(minutes=10)
    assert find_session(runtime, token) is not None
    listed = list_sessions(runtime, ada.id, second.id)
    assert listed[0].id == second.id and listed[0].is_current
    assert [view.device for view in listed] == [PHONE, "curl/8.5", FIREFOX]
    assert listed[1].last_used_at == clock.now(), "its use just now was noted"


def test_renewing_lengthens_a_session_but_not_for_ever(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    token = sign_in(runtime, email=ada.email, password=PASSWORD).token
    for _ in range(6):
        clock.advance(days=13)
        view = find_session(runtime, token)
        assert view is not None
        token = renew(runtime, view).token
    clock.advance(days=13)
    assert find_session(runtime, token) is None, "91 days after the sign-in the password is asked for again"


def test_renewing_an_ended_session_is_refused(runtime: Runtime, ada: Account) -> None:
    token = sign_in(runtime, email=ada.email, password=PASSWORD).token
    view = find_session(runtime, token)
    assert view is not None
    sign_out(runtime, token)
    with pytest.raises(Forbidden):
        renew(runtime, view)


def test_one_sign_in_is_ended_by_its_person_only(runtime: Runtime, ada: Account) -> None:
    create_account(runtime, email="eve@example.org", password=PASSWORD)
    mine, hers = session_of(runtime, ada.email), session_of(runtime, "eve@example.org")
    with pytest.raises(NotFound):
        end_session(runtime, hers.account.id, mine.id)
    assert [view.id for view in list_sessions(runtime, ada.id)] == [mine.id]
    end_session(runtime, ada.id, mine.id)
    assert list_sessions(runtime, ada.id) == ()
    with pytest.raises(NotFound):
        end_session(runtime, ada.id, mine.id)


def test_signing_out_everywhere_can_keep_this_place(runtime: Runtime, ada: Account) -> None:
    here, _there = session_of(runtime, ada.email), session_of(runtime, ada.email)
    assert sign_out_everywhere(runtime, ada.id, keep=here.id) == 1
    assert [view.id for view in list_sessions(runtime, ada.id)] == [here.id]
    assert sign_out_everywhere(runtime, ada.id) == 1


def test_a_password_is_asked_for_again_after_ten_minutes(runtime: Runtime, ada: Account, clock: FixedClock) -> None:
    token = sign_in(runtime, email=ada.email, password=PASSWORD).token

    def view():
        found = find_session(runtime, token)
        assert found is not None
        return found

    clock.advance(minutes=10)
    check_confirmed(runtime, view())
    clock.advance(seconds=1)
    with pytest.raises(Forbidden) as stale:
        check_confirmed(runtime, view())
    assert stale.value.code == "CONFIRM_PASSWORD"
    with pytest.raises(Forbidden):
        confirm_password(runtime, view(), "wrong")
    with pytest.raises(Forbidden):
        check_confirmed(runtime, view())
    confirm_password(runtime, view(), PASSWORD)
    check_confirmed(runtime, view())


def test_a_sign_in_from_a_new_place_is_mailed_once(runtime: Runtime, ada: Account) -> None:
    def mails() -> list[str]:
        return [mail.subject for mail in letters_to(runtime, ada.email)]

    session_of(runtime, ada.email, device=FIREFOX, client_host="192.0.2.1")
    assert mails() == [], "the first one is no news"
    session_of(runtime, ada.email, device=FIREFOX, client_host="192.0.2.1")
    assert mails() == []
    session_of(runtime, ada.email, device=PHONE, client_host="192.0.2.1")
    session_of(runtime, ada.email, device=FIREFOX, client_host="198.51.100.1")
    session_of(runtime, ada.email, device=PHONE, client_host="192.0.2.1")
    assert mails() == ["New sign-in: Safari on iPhone", "New sign-in: Firefox on Linux"]


def test_a_hash_is_made_anew_when_the_cost_rises(installation: Installation) -> None:
    runtime = installation(bcrypt_cost=5)
    create_account(runtime, email="ada@example.org", password=PASSWORD)
    cheap = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    with runtime.database.write() as session:
        session.execute(text("UPDATE accounts SET password_hash = :old WHERE email IS NOT NULL"), {"old": cheap})
    session_of(runtime, "ada@example.org")
    with runtime.database.read() as session:
        kept = session.execute(text("SELECT password_hash FROM accounts WHERE email IS NOT NULL")).scalar_one()
    assert kept.startswith("$2b$05$")
    session_of(runtime, "ada@example.org")


def test_a_token_from_the_future_or_past_its_end_names_no_session(
    runtime: Runtime, ada: Account, clock: FixedClock
) -> None:
    token = sign_in(runtime, email=ada.email, password=PASSWORD).token
    claims = jwt.decode(token, options={"verify_signature": False}, audience="stepiq")
    key = runtime.vault.derive("session-token")
    for change in (
        {"iat": claims["iat"] + 3600},
        {"exp": claims["iat"]},
        {"aud": "elsewhere"},
        {"sid": "another"},
        {"sid": None},
        {"iat": None},
        {"exp": "soon"},
    ):
        forged = jwt.encode({**claims, **change}, key, algorithm="HS256")
        assert find_session(runtime, forged) is None, change
    for algorithm in ("HS384", "HS512"):
        assert find_session(runtime, jwt.encode(claims, key, algorithm=algorithm)) is None
    assert find_session(runtime, jwt.encode(claims, key, algorithm="HS256")) is not None, "and this one is the same"
