"""What somebody who means harm would try, each tried here and refused."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import jwt
import pytest
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.queries import get_account, list_sessions
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, browser
from tests.support.letters import code_in, last_letter, letters_to, token_in
from tests.support.routes import api_operations, mounts, site_operations

OTHER = "seven purple submarines"
ELSEWHERE = "https://evil.example"
COOKIE = "stepiq_session"


@pytest.fixture
def victim(site: Runtime) -> Account:
    return create_account(site, email="ada@example.org", password=PASSWORD, name="Ada")


@pytest.fixture
def token(site: Runtime, victim: Account) -> str:
    return sign_in(site, email=victim.email, password=PASSWORD).token


def hidden_fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', page))


def log_in(client: TestClient, email: str, **more: str):
    fields = hidden_fields(client.get("/auth/login").text)
    return client.post("/auth/login", data={**fields, "email": email, "password": PASSWORD, **more})


# --- sessions


def test_session_fixation_a_session_known_before_is_not_the_one_after(
    site: Runtime, victim: Account, guest: TestClient
) -> None:
    create_account(site, email="eve@example.org", password=PASSWORD)
    planted = sign_in(site, email="eve@example.org", password=PASSWORD).token
    for planted_value in (planted, "chosen-by-eve"):
        guest.cookies.clear()
        guest.cookies.set(COOKIE, planted_value)
        page = guest.get("/auth/login")
        if page.status_code == 303:  # Eve's own session: signing in over it needs its end first
            guest.cookies.delete(COOKIE)
        answer = log_in(guest, victim.email)
        assert answer.status_code == 303
        kept = answer.cookies[COOKIE]
        assert kept not in (planted, planted_value)
        me = guest.get("/api/user/me", headers={"Authorization": f"Bearer {kept}"}).json()
        assert me["id"] == victim.id


@pytest.mark.parametrize("end", ["logout", "logout-everywhere", "password", "elsewhere"])
def test_session_theft_a_stolen_token_is_worth_nothing_after(
    site: Runtime, victim: Account, token: str, guest: TestClient, end: str
) -> None:
    own = {"Authorization": f"Bearer {sign_in(site, email=victim.email, password=PASSWORD).token}"}
    stolen = {"Authorization": f"Bearer {token}"}
    assert guest.get("/api/user/me", headers=stolen).status_code == 200
    if end == "logout":
        guest.post("/api/auth/logout", headers=stolen)
    elif end == "logout-everywhere":
        guest.post("/api/auth/logout-everywhere", headers=own)
    elif end == "password":
        body = {"current_password": PASSWORD, "password": OTHER}
        assert guest.post("/api/user/password", headers=own, json=body).status_code == 204
    else:
        sessions = guest.get("/api/user/sessions", headers=own).json()["items"]
        (other,) = [item["id"] for item in sessions if not item["current"]]
        assert guest.delete(f"/api/user/sessions/{other}", headers=own).status_code == 204
    assert guest.get("/api/user/me", headers=stolen).status_code == 401
    assert guest.post("/api/auth/refresh", headers=stolen).status_code == 401
    guest.cookies.set(COOKIE, token)
    assert guest.get("/app/", headers={"Accept": "text/html"}).headers["location"].startswith("/auth/login")


def test_a_token_works_in_no_address_and_no_body(token: str, guest: TestClient) -> None:
    for url in (f"/api/user/me?token={token}", f"/api/user/me?access_token={token}", f"/api/user/me?api_key={token}"):
        assert guest.get(url).status_code == 401
    assert guest.get("/api/user/me", headers={"X-API-Key": token}).status_code == 401


@pytest.mark.parametrize(
    "change",
    ["none", "None", "another key", "empty key", "expired", "from the future", "no session", "other session", "cut"],
)
def test_a_forged_jwt_is_refused(site: Runtime, victim: Account, token: str, guest: TestClient, change: str) -> None:
    create_account(site, email="eve@example.org", password=PASSWORD)
    claims = jwt.decode(token, options={"verify_signature": False}, audience="stepiq")
    key = site.vault.derive("session-token")
    now = int(site.clock.now().timestamp())
    forged = {
        "none": lambda: jwt.encode(claims, None, algorithm="none"),
        "None": lambda: "eyJhbGciOiJOb25lIiwidHlwIjoiSldUIn0." + token.split(".")[1] + ".",
        "another key": lambda: jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "empty key": lambda: jwt.encode(claims, b"\0" * 32, algorithm="HS256"),
        "expired": lambda: jwt.encode({**claims, "exp": now - 1}, key, algorithm="HS256"),
        "from the future": lambda: jwt.encode({**claims, "iat": now + 3600}, key, algorithm="HS256"),
        "no session": lambda: jwt.encode({**claims, "sid": victim.id}, key, algorithm="HS256"),
        "other session": lambda: ".".join([token.split(".")[0], token.split(".")[1][:-2], token.split(".")[2]]),
        "cut": lambda: token[:-1],
    }[change]()
    headers = {"Authorization": f"Bearer {forged}"}
    for method, path in (("GET", "/api/user/me"), ("GET", "/api/runs"), ("POST", "/api/auth/refresh")):
        assert guest.request(method, path, headers=headers).status_code == 401
    guest.cookies.set(COOKIE, forged)
    assert guest.get("/app/", headers={"Sec-Fetch-Mode": "navigate"}).status_code == 303


# --- forgery across sites


def form_paths(runtime: Runtime) -> list[str]:
    """Every address that takes a form; the single-use links of reviews have tests of their own."""
    return [path for method, path in site_operations(runtime) if method == "POST" and not path.startswith("/review")]


def test_every_form_refuses_what_another_site_sends(site: Runtime, victim: Account, token: str) -> None:
    paths = form_paths(site)
    assert len(paths) >= 13, paths
    fields = {
        "email": "new@example.org", "password": OTHER, "current": PASSWORD, "act": "off", "code": "123456",
        "everywhere": "1", "then": "people", "token": "x", "name": "Eve", "invitation": "", "challenge": "x",
    }  # fmt: skip
    before = get_account(site, victim.id)
    for path in paths:
        for headers in (
            {"Origin": ELSEWHERE},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "null"},
            {},  # no browser, but no token either
        ):
            with browser(site) as client:
                client.cookies.set(COOKIE, token)
                answer = client.post(path, data=fields, headers=headers)
                assert answer.status_code == 403, (path, headers, answer.status_code)
    assert get_account(site, victim.id) == before and len(list_sessions(site, victim.id)) == 1
    assert letters_to(site, "new@example.org") == [] and letters_to(site, victim.email) == []


def test_every_form_refuses_a_token_from_an_attackers_browser(site: Runtime, victim: Account, token: str) -> None:
    """A token fetched by Eve, in her own browser or session, sent by Ada's."""
    create_account(site, email="eve@example.org", password=PASSWORD)
    with browser(site) as eves:
        log_in(eves, "eve@example.org")
        tokens = {
            path: hidden_fields(eves.get(path).text).get("csrf_token", "")
            for path in ("/auth/password", "/auth/address", "/auth/second-factor", "/auth/logout")
        }
    with browser(site) as eves:
        tokens |= {
            path: hidden_fields(eves.get(path).text).get("csrf_token", "")
            for path in ("/auth/login", "/auth/register", "/auth/forgot")
        }
    assert all(tokens.values())
    for path, stolen in tokens.items():
        with browser(site) as adas:
            adas.cookies.set(COOKIE, token)
            fields = {"csrf_token": stolen, "email": "new@example.org", "password": OTHER, "current": PASSWORD}
            assert adas.post(path, data=fields).status_code == 403, path
    assert len(list_sessions(site, victim.id)) == 1 and letters_to(site, "new@example.org") == []


def test_no_route_of_the_api_is_changed_by_a_cookie(site: Runtime, victim: Account, token: str) -> None:
    open_to_all = ("/auth/login", "/auth/register", "/auth/forgot-password", "/auth/reset-password", "/webhooks/")
    open_to_all += ("/billing/stripe/webhook",)  # who signs its messages may send them
    with browser(site) as client:
        client.cookies.set(COOKIE, token)
        tried = 0
        for method, path in api_operations(site):
            if method == "GET" or path.startswith(open_to_all):
                continue
            answer = client.request(method, "/api" + re.sub(r"\{[^}]+\}", "x1", path), json={})
            # What a body must hold may be looked at first: nothing is done then either.
            assert answer.status_code in (401, 422), (method, path, answer.text)
            tried += answer.status_code == 401
        assert tried >= 20


def test_no_other_site_may_read_the_api(token: str, guest: TestClient) -> None:
    for headers in ({"Origin": ELSEWHERE}, {"Origin": "null"}):
        answer = guest.get("/api/user/me", headers={**headers, "Authorization": f"Bearer {token}"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
        asked = guest.options("/api/user/me", headers={**headers, "Access-Control-Request-Method": "GET"})
        assert asked.status_code == 405 and not [name for name in asked.headers if name.startswith("access-control")]


# --- guessing


def test_code_brute_force_ends_after_five_tries_and_says_nothing(site: Runtime, guest: TestClient) -> None:
    create_account(site, email="root@example.org", password=PASSWORD)
    assert guest.post("/api/auth/register/request-code", json={"email": "new@example.org"}).status_code == 200
    code = code_in(last_letter(site, "new@example.org"))
    wrong = [f"{(int(code) + number) % 1_000_000:06d}" for number in range(1, 6)]
    bodies = [{"email": "new@example.org", "password": PASSWORD, "code": each} for each in (*wrong, code)]
    answers = [guest.post("/api/auth/register", json=body) for body in bodies]
    assert {(a.status_code, a.json()["code"], a.json()["error"]) for a in answers} == {
        (422, "INVALID_CODE", answers[0].json()["error"])
    }, "the right one too: it was tried too often"


def test_password_brute_force_is_slowed_whatever_address_it_comes_from(site: Runtime, victim: Account) -> None:
    with browser(site, "192.0.2.9") as client:
        body = {"email": victim.email, "password": "wrong"}
        statuses = [client.post("/api/auth/login", json=body).status_code for _ in range(15)]
        assert statuses[:10] == [401] * 10 and set(statuses[10:]) == {429}
        slowed = client.post("/api/auth/login", json=body)
        assert 0 < int(slowed.headers["retry-after"]) <= 900
    with browser(site, "198.51.100.4") as elsewhere:
        right = elsewhere.post("/api/auth/login", json={"email": victim.email, "password": PASSWORD})
        assert right.status_code == 200, "the victim is not locked out"


def test_guessing_credentials_of_the_api_is_slowed(site: Runtime, token: str) -> None:
    with browser(site, "192.0.2.9") as client:
        guesses = [client.get("/api/user/me", headers={"X-API-Key": f"sk_live_{n}"}) for n in range(130)]
        assert guesses[0].status_code == 401 and guesses[-1].status_code == 429
        assert int(guesses[-1].headers["retry-after"]) >= 1
    with browser(site, "198.51.100.4") as client:
        assert client.get("/api/user/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("path", ["auth/forgot-password", "webhooks/health", "v1/api/webhooks/ready"])
def test_the_limit_is_not_passed_with_invented_credentials_or_names(
    runtime_with: Callable[..., Runtime], path: str
) -> None:
    site = runtime_with(app_url=ORIGIN, api_writes_per_minute=20)
    url = "/" + path if path.startswith("v1") else "/api/" + path
    with browser(site, "192.0.2.9") as client:
        statuses = [
            client.post(url, json={"email": "a@example.org"}, headers={"X-API-Key": f"sk_live_{n}"}).status_code
            for n in range(160)
        ]
    assert 429 in statuses and statuses[-1] == 429


def test_a_caller_that_writes_too_fast_has_to_wait_and_others_do_not(runtime_with: Callable[..., Runtime]) -> None:
    site = runtime_with(app_url=ORIGIN, api_writes_per_minute=5)
    create_account(site, email="ada@example.org", password=PASSWORD)
    create_account(site, email="eve@example.org", password=PASSWORD)
    tokens = [sign_in(site, email=f"{who}@example.org", password=PASSWORD).token for who in ("ada", "eve")]
    ada, eve = ({"Authorization": f"Bearer {token}"} for token in tokens)
    with browser(site) as client:
        answers = [client.post("/api/pipelines/validate", headers=ada, json={}) for _ in range(7)]
        assert [a.status_code == 429 for a in answers] == [False] * 5 + [True] * 2
        assert answers[-1].json()["code"] == "RATE_LIMITED" and 1 <= int(answers[-1].headers["retry-after"]) <= 24
        assert client.post("/api/pipelines/validate", headers=eve, json={}).status_code != 429
        assert client.get("/api/user/me", headers=ada).status_code == 200, "reading has a limit of its own"
        assert all(client.get("/api/health").status_code == 200 for _ in range(20))


def test_password_reset_reuse_is_refused(site: Runtime, victim: Account, guest: TestClient) -> None:
    assert guest.post("/api/auth/forgot-password", json={"email": victim.email}).status_code == 202
    reset = token_in(last_letter(site, victim.email), "/auth/reset")
    assert guest.post("/api/auth/reset-password", json={"token": reset, "password": OTHER}).status_code == 204
    again = guest.post("/api/auth/reset-password", json={"token": reset, "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (403, "LINK_INVALID")
    assert guest.post("/api/auth/login", json={"email": victim.email, "password": OTHER}).status_code == 200


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/auth/register/request-code", {}),
        ("/api/auth/forgot-password", {}),
        ("/api/auth/login", {"password": "wrong password"}),
        ("/api/auth/register", {"password": PASSWORD, "code": "123456"}),
    ],
)
def test_no_answer_tells_who_has_an_account(
    site: Runtime, victim: Account, guest: TestClient, path: str, more: dict[str, str]
) -> None:
    answers = [guest.post(path, json={"email": email, **more}) for email in (victim.email, "nobody@example.org")]
    assert answers[0].status_code == answers[1].status_code and answers[0].json() == answers[1].json()
    assert {name: value for name, value in answers[0].headers.items() if name != "date"}.keys() == {
        name: value for name, value in answers[1].headers.items() if name != "date"
    }.keys()


# --- smuggling


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org\nSubject: hello",
        "ada@example.org%0d%0aBcc:eve@example.org",
        "ada@example.org,eve@example.org",
        "<ada@example.org> eve@example.org",
        '"ada\r\nBcc: eve@example.org"@example.org',
        "ada@example.org\0",
    ],
)
def test_header_injection_in_mail_is_refused(site: Runtime, guest: TestClient, email: str) -> None:
    answer = guest.post("/api/auth/register/request-code", json={"email": email})
    assert answer.status_code == 422
    assert guest.post("/api/auth/forgot-password", json={"email": email}).status_code == 202
    assert letters_to(site, "eve@example.org") == []


def test_a_name_or_device_adds_no_header_to_a_mail(
    site: Runtime, victim: Account, token: str, guest: TestClient
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    name = "Ada\r\nBcc: eve@example.org"
    assert (
        guest.patch("/api/user/me", headers=headers, json={"name": name}).json()["name"] == "Ada Bcc: eve@example.org"
    )
    sign_in(site, email=victim.email, password=PASSWORD, device="Evil\r\nBcc: eve@example.org", client_host="192.0.2.1")
    mail = last_letter(site, victim.email)
    raw = b"".join(path.read_bytes() for path in site.settings.mail_dir.glob("*.eml"))
    head = raw.split(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")[0]
    assert not re.search(rb"^(bcc|cc):", head, re.I | re.M) and mail.to == victim.email
    assert letters_to(site, "eve@example.org") == []


def test_links_in_mails_lead_here_whatever_host_was_asked(site: Runtime, victim: Account, guest: TestClient) -> None:
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}):
        guest.post("/api/auth/forgot-password", json={"email": victim.email}, headers=headers)
        assert "evil" not in last_letter(site, victim.email).text + last_letter(site, victim.email).html


@pytest.mark.parametrize(
    "wanted",
    [
        ELSEWHERE, "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "javascript:alert(1)",
        "/app/../../evil", "/app//evil.example", "/app/%2e%2e//evil.example", " https://evil.example", "/auth/logout",
        "/app@evil.example", "http://testserver@evil.example/app/", "/app/\r\nLocation: https://evil.example", "data:x",
    ],
)  # fmt: skip
def test_open_redirects_lead_into_the_app_only(
    site: Runtime, victim: Account, token: str, guest: TestClient, wanted: str
) -> None:
    where = [log_in(guest, victim.email, next=wanted).headers["location"]]
    where.append(guest.get("/auth/login", params={"next": wanted}).headers["location"])
    where.append(guest.get("/auth/confirm", params={"then": wanted}).headers["location"])
    for location in where:
        parts = urlsplit(location)
        assert not parts.scheme and not parts.netloc and location.startswith("/app/") and "evil" not in location


def test_nothing_mounted_escapes_these_tests(site: Runtime) -> None:
    """Only the API is mounted: whatever else takes requests is a route that the tests above list."""
    assert mounts(site) == {"/api", "/v1/api"}
