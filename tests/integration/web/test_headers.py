"""Security headers on every response, and failures that say nothing."""

import base64
import hashlib
import re
from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from web.middleware import build_middleware
from web.routes import build_routes


@pytest.mark.parametrize(
    "path", ["/", "/privacy", "/auth/login", "/setup", "/nowhere", "/api/health", "/api/nowhere", "/app/"]
)
def test_every_response_carries_the_headers(whole: TestClient, path: str) -> None:
    headers = whole.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers, "the address is plain http"


def test_the_policy_of_the_app_allows_exactly_streamlits_inline_script(whole: TestClient, token: str) -> None:
    whole.cookies.set("stepiq_session", token)
    page = whole.get("/app/")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["script-src"] == f"'self' 'wasm-unsafe-eval' blob: 'sha256-{digest}'"
    assert directives["default-src"] == "'self'" and directives["connect-src"] == "'self'"
    assert directives["style-src"] == "'self' 'unsafe-inline'" and directives["worker-src"] == "'self' blob:"


def test_public_pages_allow_no_script_and_need_no_inline_style(client: TestClient) -> None:
    for path in ("/", "/privacy", "/auth/login"):
        page = client.get(path)
        assert "script-src 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text and " style=" not in page.text and "<style" not in page.text
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert address.startswith(("/", "#", "mailto:")), "nothing comes from a foreign host"


def test_https_brings_hsts_and_secure_host_cookies(runtime_with: Callable[..., Runtime]) -> None:
    runtime = runtime_with(app_url="https://testserver")
    create_account(runtime, email="ada@example.org", password=PASSWORD)

    def careless(request: Request) -> Response:
        response = PlainTextResponse("ok")
        response.set_cookie("_streamlit_xsrf", "1")
        return response

    routes = [Route("/careless", careless), *build_routes(runtime)]
    app = Starlette(routes=routes, middleware=build_middleware(runtime))
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        page = client.get("/auth/login")
        assert page.headers["strict-transport-security"].startswith("max-age=")
        assert page.headers["set-cookie"].startswith("__Host-stepiq_form=")
        csrf = re.search(r'csrf_token" value="([^"]+)', page.text)
        assert csrf is not None
        fields = {"email": "ada@example.org", "password": PASSWORD, "csrf_token": csrf[1]}
        cookie = client.post("/auth/login", data=fields).headers.get_list("set-cookie")[0]
        assert cookie.startswith("__Host-stepiq_session=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
        assert "Domain" not in cookie
        assert client.get("/careless").headers["set-cookie"].endswith("; Secure")
        token = sign_in(runtime, email="ada@example.org", password=PASSWORD).token
        plain_name = client.get("/api/user/me", headers={"Cookie": f"stepiq_session={token}"})
        assert plain_name.status_code == 401, "over https only the cookie bound to the host counts"


def test_a_failure_of_the_api_is_json_without_internals(
    client: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(account: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("web.api.accounts.user_json", fails)
    answer = client.get("/api/user/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 500 and answer.headers["content-security-policy"]
    assert answer.json() == {"error": "Something failed on our side. Try again.", "code": "INTERNAL"}


def test_a_failure_is_answered_without_internals(web_runtime: Runtime) -> None:
    def fails(request: Request) -> Response:
        raise RuntimeError("the secret is 42")

    routes = [Route("/fails", fails), Route("/api/fails", fails)]
    app = Starlette(routes=routes, middleware=build_middleware(web_runtime))
    with TestClient(app) as client:
        page, api = client.get("/fails"), client.get("/api/fails")
    assert page.status_code == api.status_code == 500
    assert "42" not in page.text + api.text
    assert api.json()["code"] == "INTERNAL"
    assert "default-src" in page.headers["content-security-policy"]
