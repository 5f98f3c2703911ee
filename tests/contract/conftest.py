"""The real application over HTTP, and somebody signed in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from web.middleware import build_middleware
from web.routes import build_routes

ORIGIN = "http://testserver"


@pytest.fixture
def web_runtime(runtime_with: Any) -> Runtime:
    """A Runtime whose address is the test client's; its dispatcher runs, and anybody may sign up."""
    made: Runtime = runtime_with(app_url=ORIGIN, outbound_allowlist="127.0.0.1", signup="open")
    made.dispatcher.start()
    return made


@pytest.fixture
def person(web_runtime: Runtime) -> Account:
    """Somebody on the plan without limits."""
    return create_account(web_runtime, email="ada@example.org", password=PASSWORD, name="Ada")


@pytest.fixture
def client(web_runtime: Runtime) -> Iterator[TestClient]:
    """Nobody: the site and the API as they are served."""
    app = Starlette(routes=build_routes(web_runtime), middleware=build_middleware(web_runtime))
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as made:
        yield made


@pytest.fixture
def api(client: TestClient, web_runtime: Runtime, person: Account) -> TestClient:
    """The same, signed in."""
    token = sign_in(web_runtime, email=person.email, password=PASSWORD).token
    client.headers["Authorization"] = f"Bearer {token}"
    return client


Ask = Callable[..., Any]


@pytest.fixture
def ask(api: TestClient) -> Ask:
    """Send a request that must be answered with a status; gives what it says."""

    def send(status: int, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = api.request(method, f"/api{path}", json=body, headers=headers)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    return send
