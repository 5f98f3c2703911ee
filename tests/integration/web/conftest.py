"""The real routes and middleware over a Runtime on SQLite; with Streamlit's own behind them where it matters."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config
from streamlit.runtime import Runtime as StreamlitRuntime

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account, owner_link
from core.accounts.domain import Account
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from web.middleware import build_middleware
from web.routes import build_routes

ORIGIN = "http://testserver"


@pytest.fixture
def web_runtime(runtime_with: Callable[..., Runtime]) -> Runtime:
    """A Runtime whose address is the test client's."""
    return runtime_with(app_url=ORIGIN)


@pytest.fixture
def person(web_runtime: Runtime) -> Account:
    """Somebody with an account."""
    return create_account(web_runtime, email="ada@example.org", password=PASSWORD, name="Ada")


@pytest.fixture
def token(web_runtime: Runtime, person: Account) -> str:
    """A live session of that person's."""
    return sign_in(web_runtime, email=person.email, password=PASSWORD).token


@pytest.fixture
def client(web_runtime: Runtime) -> Iterator[TestClient]:
    """The site and the API, without Streamlit behind them."""
    app = Starlette(routes=build_routes(web_runtime), middleware=build_middleware(web_runtime))
    web_runtime.dispatcher.start()
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as made:
        yield made


@pytest.fixture
def api(client: TestClient, token: str) -> TestClient:
    """The same, with the person's token on every request."""
    client.headers["Authorization"] = f"Bearer {token}"
    return client


@pytest.fixture
def whole(web_runtime: Runtime, tmp_path: Path) -> Iterator[TestClient]:
    """Everything in one process as it is served, with a page of one line in the place of ours."""
    script = tmp_path / "shell.py"
    script.write_text("import streamlit as st\nst.write('inside')\n")
    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", "app")
    app = st.App(str(script), routes=build_routes(web_runtime), middleware=build_middleware(web_runtime))
    try:
        with TestClient(app, base_url=ORIGIN, follow_redirects=False) as made:
            yield made
    finally:
        config.set_option("server.baseUrlPath", before)
        StreamlitRuntime._instance = None  # one process serves one runtime; each test makes its own


@pytest.fixture
def setup_token(web_runtime: Runtime) -> str:
    """The token of a fresh set-up link."""
    link = owner_link(web_runtime)
    assert link is not None and link.startswith(f"{ORIGIN}/setup?token=")
    return link.split("token=")[1]


def browser(runtime: Runtime, address: str = "testclient", **headers: str) -> TestClient:
    """A browser of somebody's at an address: cookies of its own, no redirects followed."""
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    return TestClient(app, base_url=ORIGIN, follow_redirects=False, headers=headers, client=(address, 50000))


@pytest.fixture
def site(runtime_with: Callable[..., Runtime]) -> Runtime:
    """An installation at the test client's address that everybody may sign up at."""
    return runtime_with(app_url=ORIGIN, signup="open")


@pytest.fixture
def guest(site: Runtime) -> Iterator[TestClient]:
    """A browser of nobody's yet."""
    with browser(site) as made:
        yield made


def csrf_of(page: str) -> str:
    """The hidden token of a page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, "the page has a form with a token"
    return found[1]


def status_of_target(client: TestClient, method: str, target: str, headers: dict[str, str] | None = None) -> int:
    """The status of a request whose target is sent as written: HTTP clients tidy paths before they send them."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(target),  # as uvicorn decodes it: once
        "raw_path": target.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in {"Host": "testserver", **(headers or {})}.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    return int(sent[0]["status"])
