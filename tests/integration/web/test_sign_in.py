"""Setting up, signing in and signing out with plain forms."""

import html
from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.commands import create_account
from core.accounts.domain import SESSION_LIFE, Account
from core.accounts.queries import find_account, find_session, needs_setup
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, csrf_of
from tests.support.clock import FixedClock
from web.middleware import build_middleware
from web.origins import safe_next
from web.routes import build_routes

EMAIL = "ada@example.org"


def _login(client: TestClient, *, headers: dict[str, str] | None = None, **fields: str):
    csrf = csrf_of(client.get("/auth/login").text)
    return client.post("/auth/login", data={"csrf_token": csrf, **fields}, headers=headers)


def test_the_setup_link_makes_the_owner_and_signs_them_in(
    client: TestClient, web_runtime: Runtime, setup_token: str
) -> None:
    page = client.get(f"/setup?token={setup_token}")
    assert page.status_code == 200 and "8 to 72 characters" in page.text
    assert 'autocomplete="new-password"' in page.text and 'autocomplete="username"' in page.text
    fields = {"token": setup_token, "csrf_token": csrf_of(page.text), "email": EMAIL, "name": "Ada <3"}

    weak = client.post("/setup", data={**fields, "password": "short"})
    assert weak.status_code == 422 and needs_setup(web_runtime)
    assert 'id="password-error"' in weak.text and f'value="{EMAIL}"' in weak.text
    assert 'value="Ada &lt;3"' in weak.text and "short" not in weak.text
    long = client.post("/setup", data={**fields, "password": "é" * 37})
    assert long.status_code == 422 and "at most 72 characters" in long.text
    wrong = client.post("/setup", data={**fields, "email": "nobody", "password": PASSWORD})
    assert wrong.status_code == 422 and 'id="email-error"' in wrong.text

    made = client.post("/setup", data={**fields, "password": PASSWORD})
    assert made.status_code == 303 and made.headers["location"] == "/app/"
    session = find_session(web_runtime, client.cookies["stepiq_session"])
    assert session is not None and session.account.is_admin and session.account.name == "Ada <3"

    again = client.get(f"/setup?token={setup_token}")
    assert again.status_code == 403 and "is set up" in again.text
    assert client.post("/setup", data={**fields, "password": PASSWORD}).status_code == 403


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong"])
def test_a_wrong_setup_link_says_what_to_do(
    client: TestClient, web_runtime: Runtime, setup_token: str, query: str
) -> None:
    page = client.get(f"/setup{query}")
    assert page.status_code == 403 and "stepiq owner-link" in page.text
    csrf = csrf_of(client.get(f"/setup?token={setup_token}").text)
    fields = {"token": query.partition("=")[2], "email": EMAIL, "password": PASSWORD, "csrf_token": csrf}
    assert client.post("/setup", data=fields).status_code == 403
    assert needs_setup(web_runtime)


def test_before_set_up_the_sign_in_page_says_so(client: TestClient) -> None:
    assert "stepiq owner-link" in client.get("/auth/login").text
    assert _login(client, email=EMAIL, password=PASSWORD).status_code == 401


def test_signing_in_keeps_a_session_and_goes_on(client: TestClient, web_runtime: Runtime, person: Account) -> None:
    page = client.get("/auth/login?next=/app/runs%3Fid=7")
    assert 'autocomplete="current-password"' in page.text and 'autocomplete="username"' in page.text
    assert 'name="next" value="/app/runs?id=7"' in page.text
    answer = _login(client, email=" ADA@example.org", password=PASSWORD, next="/app/runs?id=7")
    assert answer.status_code == 303 and answer.headers["location"] == "/app/runs?id=7"
    cookie, forgotten = answer.headers.get_list("set-cookie")
    assert forgotten.startswith('stepiq_form="";') and "stepiq_form" not in client.cookies
    parts = {part.strip() for part in cookie.split(";")}
    assert {"HttpOnly", "Path=/", "SameSite=lax", f"Max-Age={int(SESSION_LIFE.total_seconds())}"} <= parts
    assert "Secure" not in parts and cookie.startswith("stepiq_session=")
    session = find_session(web_runtime, client.cookies["stepiq_session"])
    assert session is not None and session.account == person
    assert client.get("/auth/login").headers["location"] == "/app/", "somebody signed in goes straight on"


def test_a_wrong_password_and_an_unknown_address_look_the_same(client: TestClient, person: Account) -> None:
    wrong = _login(client, email=EMAIL, password="not this one")
    unknown = _login(client, email="bob@example.org", password="not this one")
    assert wrong.status_code == unknown.status_code == 401
    assert 'id="password-error"' in wrong.text and f'value="{EMAIL}"' in wrong.text
    assert "not this one" not in wrong.text
    strip = lambda page: page.replace(csrf_of(page), "").replace("bob@", "ada@")  # noqa: E731
    assert strip(wrong.text) == strip(unknown.text)
    too_long = _login(client, email=EMAIL, password=PASSWORD + "x" * 80)
    assert too_long.status_code == 401


def test_missing_fields_are_named_beside_them(client: TestClient, person: Account) -> None:
    answer = _login(client, email="", password="")
    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text and 'id="password-error"' in answer.text


def test_typed_text_is_escaped(client: TestClient) -> None:
    nasty = '"><script>alert(1)</script>'
    page = _login(client, email=nasty, password="x", next=nasty).text
    assert "<script" not in page and html.escape(nasty) in page.replace("&#34;", "&quot;")


def test_too_many_tries_have_to_wait(client: TestClient, person: Account) -> None:
    for _ in range(10):
        assert _login(client, email=EMAIL, password="wrong wrong").status_code == 401
    answer = _login(client, email=EMAIL, password=PASSWORD)
    assert answer.status_code == 429 and 1 <= int(answer.headers["retry-after"]) <= 900
    assert f'value="{EMAIL}"' in answer.text and "stepiq_session" not in client.cookies
    api = client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert api.status_code == 429 and "retry-after" in api.headers and api.json()["code"] == "RATE_LIMITED"


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/app\\..\\..\\evil",
        "\\\\evil.example",
        "http:evil",
        "javascript:alert(1)",
        "/app/../auth/logout",
        "/app/%2e%2e/%2e%2e//evil.example",
        "/app//evil.example",
        "/application",
        "/auth/logout",
        "/app/\r\nSet-Cookie: a=b",
        "/app/\t/x",
        "/app/é",
        " /app/",
        "/app/_stcore/health",
        "",
        None,
    ],
)
def test_next_leads_nowhere_else(wanted: str | None) -> None:
    assert safe_next(wanted) == "/app/"


@pytest.mark.parametrize("wanted", ["/app", "/app/", "/app/runs", "/app/?pipeline=1#cell", "/app?x=https://a.example"])
def test_next_keeps_pages_of_the_app(wanted: str) -> None:
    assert safe_next(wanted) == wanted


def test_a_form_counts_only_from_our_page_in_the_same_browser(client: TestClient, person: Account) -> None:
    fields = {"email": EMAIL, "password": PASSWORD}
    good = csrf_of(client.get("/auth/login").text)
    for csrf in ("", "x", "1.2.3", good[:-1], good + "x", good.replace(good.split(".")[0], "1700000000", 1)):
        answer = client.post("/auth/login", data={**fields, "csrf_token": csrf})
        assert answer.status_code == 403 and f'value="{EMAIL}"' in answer.text, csrf
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = client.post("/auth/login", data={**fields, "csrf_token": good}, headers=headers)
        assert answer.status_code == 403, headers
    assert "stepiq_session" not in client.cookies

    mine = dict(client.cookies)
    client.cookies.clear()
    assert client.post("/auth/login", data={**fields, "csrf_token": good}).status_code == 403, "another browser"
    client.cookies.clear()
    client.cookies.update(mine)
    own = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    assert client.post("/auth/login", data={**fields, "csrf_token": good}, headers=own).status_code == 303


def test_a_token_of_one_form_does_not_fit_another(client: TestClient, web_runtime: Runtime, setup_token: str) -> None:
    csrf = csrf_of(client.get("/auth/login").text)
    fields = {"token": setup_token, "email": EMAIL, "password": PASSWORD, "csrf_token": csrf}
    assert client.post("/setup", data=fields).status_code == 403
    assert find_account(web_runtime, EMAIL) is None


def test_a_form_left_open_for_hours_is_shown_again(runtime_with: Callable[..., Runtime]) -> None:
    clock = FixedClock()
    runtime = runtime_with(clock=clock, app_url=ORIGIN)
    create_account(runtime, email=EMAIL, password=PASSWORD)
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
        csrf = csrf_of(client.get("/auth/login").text)
        clock.advance(hours=3)
        answer = client.post("/auth/login", data={"email": EMAIL, "password": PASSWORD, "csrf_token": csrf})
        assert answer.status_code == 403 and "open for too long" in answer.text
        fresh = {"email": EMAIL, "password": PASSWORD, "csrf_token": csrf_of(answer.text)}
        assert client.post("/auth/login", data=fresh).status_code == 303


def test_signing_out_asks_and_ends_the_session(client: TestClient, web_runtime: Runtime, token: str) -> None:
    client.cookies.set("stepiq_session", token)
    page = client.get("/auth/logout")
    assert page.status_code == 200 and EMAIL in page.text
    assert find_session(web_runtime, token) is not None, "a link alone signs nobody out"
    assert client.post("/auth/logout", data={"csrf_token": "x"}).status_code == 403
    assert find_session(web_runtime, token) is not None
    answer = client.post("/auth/logout", data={"csrf_token": csrf_of(page.text)})
    assert answer.status_code == 200 and 'stepiq_session="";' in answer.headers["set-cookie"]
    assert find_session(web_runtime, token) is None
    client.cookies.set("stepiq_session", token)
    assert client.get("/auth/logout").headers["location"] == "/auth/login"


def test_the_sign_out_token_of_one_session_does_not_fit_another(
    client: TestClient, web_runtime: Runtime, token: str
) -> None:
    client.cookies.set("stepiq_session", token)
    csrf = csrf_of(client.get("/auth/logout").text)
    client.cookies.clear()
    assert _login(client, email=EMAIL, password=PASSWORD).status_code == 303
    assert client.post("/auth/logout", data={"csrf_token": csrf}).status_code == 403


def test_no_cookie_is_set_before_a_form_is_opened(client: TestClient) -> None:
    for path in ("/", "/privacy", "/api/health", "/nowhere", "/app/"):
        assert "set-cookie" not in client.get(path).headers
    login = client.get("/auth/login").headers["set-cookie"]
    assert login.startswith("stepiq_form=") and "HttpOnly" in login and "SameSite=lax" in login
