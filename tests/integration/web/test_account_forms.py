"""Registration, recovery and security as a browser without JavaScript meets them."""

import re
from collections.abc import Callable, Iterator

import pyotp
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from core.accounts import second_factor
from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.invitations import invite
from core.accounts.queries import find_account, find_session, get_account, list_sessions
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, browser, csrf_of
from tests.support.letters import code_in, last_letter, letters_to, token_in

NEW = "grace@example.org"
OTHER = "seven purple submarines"


def send(client: TestClient, path: str, page: str, **fields: str):
    """Send a form as the page it is on has it: with its hidden fields, and what is typed."""
    first = page.split("</form>")[0]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', first))
    return client.post(path, data={**hidden, **fields})


@pytest.fixture
def ada(site: Runtime) -> Account:
    return create_account(site, email="ada@example.org", password=PASSWORD, name="Ada")


@pytest.fixture
def signed(site: Runtime, ada: Account) -> Iterator[TestClient]:
    """Ada's browser, the password entered just now."""
    with browser(site) as made:
        page = made.get("/auth/login").text
        assert send(made, "/auth/login", page, email=ada.email, password=PASSWORD).status_code == 303
        yield made


def test_from_an_address_to_a_session_in_two_forms(site: Runtime, guest: TestClient) -> None:
    first = guest.get("/auth/register")
    assert first.status_code == 200 and "set-cookie" in first.headers
    second = send(guest, "/auth/register", first.text, email=" Grace@Example.org ")
    assert second.status_code == 200 and "on its way" in second.text
    code = code_in(last_letter(site, NEW))
    wrong = send(guest, "/auth/register/finish", second.text, code="12", password=PASSWORD, name="Grace")
    assert wrong.status_code == 422 and 'id="code-error"' in wrong.text and 'value="Grace"' in wrong.text
    weak = send(guest, "/auth/register/finish", wrong.text, code=code, password="password", name="Grace")
    assert weak.status_code == 422 and 'id="password-error"' in weak.text and "password" not in weak.headers
    done = send(guest, "/auth/register/finish", weak.text, code=code, password=PASSWORD, name="Grace")
    assert done.status_code == 303 and done.headers["location"] == "/app/"
    session = find_session(site, guest.cookies["stepiq_session"])
    assert session is not None and (session.account.email, session.account.name) == (NEW, "Grace")
    assert guest.get("/auth/register").headers["location"] == "/app/"


def test_french_browsers_get_french_mails(site: Runtime) -> None:
    with browser(site, **{"Accept-Language": "de;q=0.9, fr-CA, en;q=0.5"}) as guest:
        send(guest, "/auth/register", guest.get("/auth/register").text, email=NEW)
    assert last_letter(site, NEW).subject.startswith("Votre code")


def test_a_known_address_sees_the_same_pages(site: Runtime, ada: Account, guest: TestClient) -> None:
    def shown(email: str) -> str:
        page = send(guest, "/auth/register", guest.get("/auth/register").text, email=email)
        assert page.status_code == 200
        return re.sub(r'value="[^"]*"', "", page.text.replace(email, "someone"))

    assert shown(ada.email) == shown(NEW)
    assert shown(ada.email) == shown(NEW), "and again within the minute"


@pytest.mark.parametrize(("policy", "says"), [("invite", "by invitation"), ("closed", "no new accounts")])
def test_the_page_says_when_nobody_may_register(runtime_with: Callable[..., Runtime], policy: str, says: str) -> None:
    with browser(runtime_with(app_url=ORIGIN, signup=policy)) as guest:
        page = guest.get("/auth/register")
        assert page.status_code == 403 and says in page.text
        assert "Make an account" not in guest.get("/auth/login").text


def test_an_invitation_fills_the_address_in(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(app_url=ORIGIN)
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    by = find_session(runtime, sign_in(runtime, email="root@example.org", password=PASSWORD).token)
    assert by is not None
    link = invite(runtime, by, email=NEW, plan="starter")
    with browser(runtime) as guest:
        first = guest.get(link)
        assert f'value="{NEW}"' in first.text
        second = send(guest, "/auth/register", first.text, email=NEW)
        code = code_in(last_letter(runtime, NEW))
        done = send(guest, "/auth/register/finish", second.text, code=code, password=PASSWORD, name="")
        assert done.status_code == 303
        account = find_account(runtime, NEW)
        assert account is not None and account.plan == "starter"
    with browser(runtime) as guest:
        used = guest.get(link)
        assert used.status_code == 403 and "does not work" in used.text


def test_a_forgotten_password_by_mail(site: Runtime, ada: Account, guest: TestClient) -> None:
    asked = send(guest, "/auth/forgot", guest.get("/auth/forgot").text, email=ada.email)
    unknown = send(guest, "/auth/forgot", guest.get("/auth/forgot").text, email="nobody@example.org")
    assert asked.status_code == unknown.status_code == 200 and asked.text == unknown.text
    token = token_in(last_letter(site, ada.email), "/auth/reset")
    page = guest.get(f"/auth/reset?token={token}")
    weak = send(guest, "/auth/reset", page.text, password="password")
    assert weak.status_code == 422
    done = send(guest, "/auth/reset", weak.text, password=OTHER)
    assert done.status_code == 200 and "Password changed" in done.text
    assert guest.get(f"/auth/reset?token={token}").status_code == 403
    assert send(guest, "/auth/reset", page.text, password=PASSWORD).status_code == 403
    assert sign_in(site, email=ada.email, password=OTHER).account.id == ada.id


def test_opening_a_link_changes_nothing(site: Runtime, ada: Account, signed: TestClient) -> None:
    page = signed.get("/auth/address")
    sent = send(signed, "/auth/address", page.text, email=NEW)
    assert sent.status_code == 200 and "Look into your mail" in sent.text
    token = token_in(last_letter(site, NEW), "/auth/address/confirm")
    for _ in range(3):
        opened = signed.get(f"/auth/address/confirm?token={token}")
        assert opened.status_code == 200
    assert get_account(site, ada.id).email == ada.email
    assert send(signed, "/auth/address/confirm", opened.text).status_code == 200
    assert get_account(site, ada.id).email == NEW
    undo = token_in(last_letter(site, ada.email), "/auth/address/undo")
    opened = signed.get(f"/auth/address/undo?token={undo}")
    assert get_account(site, ada.id).email == NEW
    assert send(signed, "/auth/address/undo", opened.text).status_code == 200
    assert get_account(site, ada.id).email == ada.email and list_sessions(site, ada.id) == ()


def test_changing_the_password_keeps_this_browser(site: Runtime, ada: Account, signed: TestClient) -> None:
    other = sign_in(site, email=ada.email, password=PASSWORD).token
    page = signed.get("/auth/password").text
    wrong = send(signed, "/auth/password", page, current="wrong", password=OTHER)
    assert wrong.status_code == 401 and 'id="current-error"' in wrong.text
    assert send(signed, "/auth/password", wrong.text, current=PASSWORD, password=OTHER).status_code == 200
    assert find_session(site, other) is None
    assert signed.get("/auth/password").status_code == 200, "still signed in here"


def test_the_second_factor_from_picture_to_sign_in(site: Runtime, ada: Account, signed: TestClient) -> None:
    page = signed.get("/auth/second-factor").text
    assert 'src="data:image/svg+xml' in page
    key = re.search(r'class="key">([A-Z2-7 ]+)<', page)
    assert key is not None
    app = pyotp.TOTP(key[1].replace(" ", ""))
    wrong = send(signed, "/auth/second-factor", page, code="000000", act="on")
    assert wrong.status_code == 422 and key[1] in wrong.text, "the same key, so that the phone need not scan again"
    codes = send(signed, "/auth/second-factor", wrong.text, code=app.at(site.clock.now()), act="on")
    shown = re.findall(r"<li><code>([\w-]+)</code>", codes.text)
    assert len(shown) == 10
    with browser(site) as phone:
        half = send(phone, "/auth/login", phone.get("/auth/login").text, email=ada.email, password=PASSWORD)
        assert half.status_code == 200 and "stepiq_session" not in phone.cookies
        assert send(phone, "/auth/login/code", half.text, code="000000").status_code == 401
        whole = send(phone, "/auth/login/code", half.text, code=shown[0])
        assert whole.status_code == 303 and find_session(site, phone.cookies["stepiq_session"]) is not None
    with browser(site) as thief:
        stolen = send(thief, "/auth/login/code", half.text, code=shown[1])
        assert stolen.status_code == 403 and "stepiq_session" not in thief.cookies, "bound to the first browser"
    off = send(signed, "/auth/second-factor", signed.get("/auth/second-factor").text, act="off")
    assert off.status_code == 200 and not get_account(site, ada.id).has_second_factor


@pytest.mark.parametrize("then", ["address", "second-factor", "my-data", "people", "privacy-requests"])
def test_dangerous_forms_ask_for_the_password_after_ten_minutes(
    site: Runtime, ada: Account, signed: TestClient, then: str
) -> None:
    with site.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))
    for path in ("/auth/address", "/auth/second-factor"):
        assert signed.get(path).headers["location"].startswith("/auth/confirm?then=")
        assert signed.post(path, data={"email": NEW, "act": "off"}).status_code in (303, 403)
    page = signed.get(f"/auth/confirm?then={then}").text
    assert send(signed, "/auth/confirm", page, password="wrong").status_code == 401
    done = send(signed, "/auth/confirm", page, password=PASSWORD)
    assert done.status_code == 303 and done.headers["location"].startswith(("/auth/", "/app/"))
    assert signed.get("/auth/address").status_code == 200 and letters_to(site, NEW) == []


def test_signing_out_everywhere(site: Runtime, ada: Account, signed: TestClient) -> None:
    other = sign_in(site, email=ada.email, password=PASSWORD).token
    page = signed.get("/auth/logout").text
    assert send(signed, "/auth/logout", page, everywhere="1").status_code == 200
    assert find_session(site, other) is None and list_sessions(site, ada.id) == ()


def test_tokens_and_addresses_are_in_no_page_that_is_kept(site: Runtime, ada: Account, guest: TestClient) -> None:
    for path in ("/auth/register", "/auth/forgot", "/auth/login", "/auth/reset?token=x"):
        answer = guest.get(path)
        assert answer.headers["cache-control"] == "no-store" and 'name="robots" content="noindex"' in answer.text
        assert csrf_of(answer.text) if answer.status_code == 200 else answer.status_code == 403


def test_an_address_typed_before_the_password_was_asked_for_is_kept(
    site: Runtime, ada: Account, signed: TestClient
) -> None:
    page = signed.get("/auth/address").text
    with site.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))
    asked = send(signed, "/auth/address", page, email=NEW)
    assert asked.status_code == 200 and "Confirm your password" in asked.text
    back = send(signed, "/auth/confirm", asked.text, password=PASSWORD)
    assert back.status_code == 200 and f'value="{NEW}"' in back.text
    assert send(signed, "/auth/address", back.text, email=NEW).status_code == 200
    assert token_in(last_letter(site, NEW), "/auth/address/confirm")


def test_a_key_that_was_scanned_is_shown_again(site: Runtime, signed: TestClient) -> None:
    keys = {re.search(r'class="key">([A-Z2-7 ]+)<', signed.get("/auth/second-factor").text)[1] for _ in range(2)}  # type: ignore[index]
    assert len(keys) == 1


@pytest.mark.parametrize("act", ["", "of", "ON"])
def test_the_second_factor_is_switched_off_by_that_word_alone(
    site: Runtime, ada: Account, signed: TestClient, act: str
) -> None:
    app = pyotp.parse_uri(second_factor.begin(site, ada))
    assert isinstance(app, pyotp.TOTP)
    second_factor.switch_on(site, ada, app.at(site.clock.now()))
    page = signed.get("/auth/second-factor").text
    assert send(signed, "/auth/second-factor", page, act=act).status_code == 422
    assert get_account(site, ada.id).has_second_factor


def test_another_code_is_asked_for_without_typing_the_address_again(site: Runtime, guest: TestClient) -> None:
    second = send(guest, "/auth/register", guest.get("/auth/register").text, email=NEW)
    again = re.search(r'<form class="below".*?</form>', second.text, re.S)
    assert again is not None
    answer = send(guest, "/auth/register", again[0])
    assert answer.status_code == 200 and "less than a minute ago" in answer.text and NEW in answer.text
