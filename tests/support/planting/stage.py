"""Where it is planted: an installation that sells and calls vendors, with stand-ins for all that is outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.authentication import sign_in
from core.accounts.domain import SessionView
from core.accounts.queries import find_session
from core.accounts.sessions import confirm_password
from core.credits.payments.setup import set_up_billing
from core.execution.queries import get_run
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.http_peer import HttpPeer, peer_in_thread
from tests.support.stripe_server import StripeServer, stripe_in_thread
from tests.support.stripe_stub import StripeStub
from tests.support.vendor_stub import StubServer
from web.middleware import build_middleware
from web.routes import build_routes

ORIGIN = "http://testserver"


@dataclass
class Outside:
    """Vendors, Stripe, and somebody else's server."""

    vendor: StubServer
    stripe: StripeServer
    peer: HttpPeer

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of an installation among them."""
        return {
            "app_url": ORIGIN,
            "signup": "open",
            "stripe_api_base": self.stripe.url,
            "stripe_secret_key": "sk_test_key",
            "stripe_webhook_secret": "whsec_test",
            "openai_api_key": "sk-of-the-installation",
            "openai_base_url": f"{self.vendor.url}/v1",
            "outbound_allowlist": "127.0.0.1",
        }


@contextmanager
def outside() -> Iterator[Outside]:
    """The stand-ins for as long as the block."""
    with ExitStack() as stack:
        vendor = stack.enter_context(StubServer())
        stripe = stack.enter_context(stripe_in_thread(StripeStub()))
        peer = stack.enter_context(peer_in_thread())
        yield Outside(vendor, stripe, peer)


@dataclass
class Signed:
    """Somebody signed in."""

    token: str
    view: SessionView


@dataclass
class Stage:
    """An installation at work, and a client of its HTTP face."""

    runtime: Runtime
    outside: Outside
    client: TestClient

    def sign_in(self, email: str) -> Signed:
        """Signed in, with the password entered just now."""
        token = sign_in(self.runtime, email=email, password=PASSWORD).token
        return Signed(token, self.confirmed(token))

    def confirmed(self, token: str) -> SessionView:
        """A session whose password was entered just now."""
        view = find_session(self.runtime, token)
        assert view is not None
        confirm_password(self.runtime, view, password=PASSWORD, client_host="testclient")
        view = find_session(self.runtime, token)
        assert view is not None
        return view

    def ask(self, method: str, path: str, *, token: str | None = None, **request: Any) -> Any:
        """A request to the API; its answer."""
        headers = request.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        answer = self.client.request(method, f"/api{path}", headers=headers, **request)
        assert answer.status_code < 400, (method, path, answer.text[:1000])
        return answer.json() if "json" in answer.headers.get("content-type", "") else None

    def wait_for(self, owner_id: str, run_id: str, *status: str) -> Any:
        """Until a run is in one of these states."""
        self.wait(lambda: get_run(self.runtime, owner_id, run_id).status in status, f"run is {status}")
        return get_run(self.runtime, owner_id, run_id)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Until something holds."""
        end = monotonic() + 180
        while not condition():
            assert monotonic() < end, f"not so after three minutes: {what}"
            sleep(0.02)


@contextmanager
def stage_of(runtime: Runtime, around: Outside) -> Iterator[Stage]:
    """An installation made with the settings of `around`, at work."""
    set_up_billing(runtime)
    runtime.dispatcher.start()
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
        yield Stage(runtime, around, client)
