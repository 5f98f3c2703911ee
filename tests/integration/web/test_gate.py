"""Nobody gets anything of the app without a session, whatever the path is written like."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from core.accounts.authentication import sign_in
from core.accounts.domain import Account
from core.accounts.sessions import sign_out
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, status_of_target
from web.gate import STREAM

COOKIE = "stepiq_session"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/runs?id=7", "/app/a%20b/c"])
def test_a_navigation_is_led_to_the_sign_in_page(whole: TestClient, path: str) -> None:
    for headers in (HTML, {"Sec-Fetch-Mode": "navigate"}):
        answer = whole.get(path, headers=headers)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/auth/login?next=/app")
    assert whole.get("/app/runs?id=7&b=%2F", headers=HTML).headers["location"] == (
        "/auth/login?next=/app/runs%3Fid%3D7%26b%3D%252F"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/app/",
        "/app/_stcore/health",
        "/app/_stcore/host-config",
        "/app/static/js/index.js",
        "/app/media/x",
        "/APP/",
        "/%61pp/",
        "/app%2F",
        "//app/",
        "/x/../app/",
        "/_stcore/health",
    ],
)
def test_anything_else_is_refused(whole: TestClient, path: str) -> None:
    assert status_of_target(whole, "GET", path) == 401
    assert status_of_target(whole, "POST", path, HTML) == 401


def test_the_refusal_is_an_error_like_those_of_the_api(whole: TestClient) -> None:
    answer = whole.get("/app/_stcore/health")
    assert answer.json() == {"error": "Sign in first.", "code": "UNAUTHENTICATED"}
    assert answer.headers["cache-control"] == "no-store"


def test_a_cookie_that_is_not_a_live_session_opens_nothing(
    whole: TestClient, web_runtime: Runtime, person: Account
) -> None:
    signed = sign_in(web_runtime, email=person.email, password=PASSWORD)
    for value in ("", "x", signed.token[:-2], signed.token + "x"):
        assert whole.get("/app/", headers={"Cookie": f"{COOKIE}={value}"}).status_code == 401
    whole.cookies.set(COOKIE, signed.token)
    assert whole.get("/app/", headers=HTML).status_code == 200
    sign_out(web_runtime, signed.token)
    assert whole.get("/app/", headers=HTML).status_code == 303


def test_a_session_opens_the_app(whole: TestClient, token: str) -> None:
    whole.cookies.set(COOKIE, token)
    page = whole.get("/app/", headers=HTML)
    assert page.status_code == 200 and "<title>Streamlit" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert whole.get("/app/_stcore/health").text == "ok"
    assert whole.get("/app?x=1", headers=HTML).headers["location"] == "/app/?x=1"


def test_bundles_may_be_kept_by_the_browser_but_by_no_shared_cache(whole: TestClient, token: str) -> None:
    whole.cookies.set(COOKIE, token)
    page = whole.get("/app/").text
    script = page.split('src="./static/js/')[1].split('"')[0]
    answer = whole.get(f"/app/static/js/{script}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


CLOSED = [
    "/app/_stcore/metrics",
    "/app/_stcore/metrics/",
    "/app/_stcore/agent/interact",
    "/app/_stcore/agent/openapi.json",
    "/app/_stcore/agent/mcp",
    "/app/_stcore/agent",
    "/app//_stcore/metrics",
    "/app/_stcore//metrics",
    "/app/./_stcore/metrics",
    "/app/page/../_stcore/metrics",
    "/app/_stcore/%6Detrics",
    "/app/_stcore%2Fmetrics",
    "/app/%255Fstcore/metrics",
    "/app/_stcore/%256Detrics",
    "/app/_stcore\\metrics",
    "/app/_STCORE/Metrics",
    "/app/_stcore/metrics;x=1",
    "/app/_stcore/metrics%00",
    "/app/page/_stcore/agent/mcp",
    "/_stcore/metrics",
]


@pytest.mark.parametrize("path", CLOSED)
def test_agent_and_metrics_routes_do_not_exist_for_anybody(whole: TestClient, token: str, path: str) -> None:
    headers = dict(HTML)
    for _ in range(2):
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            assert status_of_target(whole, method, path, headers) == 404, method
        headers["Cookie"] = f"{COOKIE}={token}"


def _connects(client: TestClient, *, path: str = STREAM, **headers: str) -> bool:
    try:
        with client.websocket_connect(path, subprotocols=["streamlit"], headers=headers):
            return True
    except WebSocketDisconnect as refusal:
        assert refusal.code == 1008
        return False


def test_a_websocket_needs_our_session_and_our_origin(whole: TestClient, web_runtime: Runtime, token: str) -> None:
    cookie = f"{COOKIE}={token}"
    assert _connects(whole, Cookie=cookie, Origin=ORIGIN)
    assert not _connects(whole, Origin=ORIGIN), "no cookie"
    assert not _connects(whole, Cookie=f"{COOKIE}=unknown", Origin=ORIGIN), "unknown session"
    assert not _connects(whole, Cookie=cookie), "missing origin"
    for origin in ("http://evil.example", "null", "", "http://testserver.evil", "http://testserver:81", "file://"):
        assert not _connects(whole, Cookie=cookie, Origin=origin), origin
    assert not _connects(whole, Cookie=cookie, Origin="http://a@testserver"), "an origin has no user"
    sign_out(web_runtime, token)
    assert not _connects(whole, Cookie=cookie, Origin=ORIGIN), "ended session"


@pytest.mark.parametrize("path", ["/app/_stcore/stream/", "/app//_stcore/stream", "/_stcore/stream", "/", "/api/x"])
def test_there_is_one_websocket(whole: TestClient, token: str, path: str) -> None:
    assert not _connects(whole, path=path, Cookie=f"{COOKIE}={token}", Origin=ORIGIN)


def test_another_name_of_the_machine_is_ours_in_development(whole: TestClient, token: str) -> None:
    cookie = f"{COOKIE}={token}"
    assert _connects(whole, Cookie=cookie, Origin="http://localhost:9000", Host="localhost:9000")
    assert not _connects(whole, Cookie=cookie, Origin="http://localhost:9000", Host="localhost:9001")


def test_over_https_a_plain_http_page_of_the_same_name_is_foreign(runtime_with: Callable[..., Runtime]) -> None:
    from starlette.datastructures import Headers

    from web.origins import is_own_origin

    def own(origin: str, host: str) -> bool:
        return is_own_origin(Headers({"origin": origin, "host": host}), "https://app.example.org")

    assert own("https://app.example.org", "internal:8501"), "behind a proxy the address of the settings counts"
    assert own("https://app.example.org:443", "app.example.org")
    assert own("https://api.example.org", "api.example.org")
    assert not own("http://app.example.org", "app.example.org")
    assert not own("https://evil.example", "app.example.org")
