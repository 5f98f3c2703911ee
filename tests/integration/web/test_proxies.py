"""Whose X-Forwarded-For counts: only that of proxies which a setting names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.accounts.commands import create_account
from core.accounts.throttle import PER_CLIENT
from core.platform.runtime import Runtime
from core.platform.settings import Settings
from core.shared.errors import InvalidInput
from tests.conftest import PASSWORD
from tests.integration.web.conftest import ORIGIN, csrf_of
from web.middleware import build_middleware
from web.routes import build_routes

EMAIL = "ada@example.org"


def client_of(runtime: Runtime, peer: str) -> TestClient:
    app = Starlette(routes=build_routes(runtime), middleware=build_middleware(runtime))
    return TestClient(app, base_url=ORIGIN, follow_redirects=False, client=(peer, 50_000))


def try_form(client: TestClient, forwarded: str, email: str, password: str) -> int:
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
    token = csrf_of(client.get("/auth/login", headers=headers).text)
    fields = {"email": email, "password": password, "csrf_token": token}
    return client.post("/auth/login", data=fields, headers=headers).status_code


def try_api(client: TestClient, forwarded: str, email: str, password: str) -> int:
    body = {"email": email, "password": password}
    return client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": forwarded}).status_code


@pytest.mark.parametrize("attempt", [try_form, try_api])
def test_a_header_from_anybody_does_not_make_another_client(
    runtime_with: Callable[..., Runtime], attempt: Callable[..., int]
) -> None:
    runtime = runtime_with(app_url=ORIGIN, trusted_proxies="10.0.0.0/8")
    create_account(runtime, email=EMAIL, password=PASSWORD)
    stranger = client_of(runtime, "198.51.100.1")
    for number in range(PER_CLIENT):
        assert attempt(stranger, f"203.0.113.{number}", f"person{number}@example.org", "wrong wrong") == 401
    assert attempt(stranger, "203.0.113.250", EMAIL, PASSWORD) == 429


@pytest.mark.parametrize("attempt", [try_form, try_api])
def test_a_named_proxy_tells_its_clients_apart(
    runtime_with: Callable[..., Runtime], attempt: Callable[..., int]
) -> None:
    runtime = runtime_with(app_url=ORIGIN, trusted_proxies="192.0.2.1, 10.0.0.0/8")
    create_account(runtime, email=EMAIL, password=PASSWORD)
    proxy = client_of(runtime, "10.1.2.3")
    for number in range(PER_CLIENT):
        # What the guesser wrote into the header stands left of what the proxy added.
        forged = f"203.0.113.{number}, 198.51.100.1"
        assert attempt(proxy, forged, f"person{number}@example.org", "wrong wrong") == 401
    assert attempt(proxy, "198.51.100.1", EMAIL, PASSWORD) == 429
    assert attempt(proxy, "203.0.113.1, 192.0.2.1", EMAIL, PASSWORD) in (200, 303), "behind two named proxies"


def test_the_setting_is_a_list_with_commas_and_a_wrong_name_refuses_the_start(
    settings_with: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEPIQ_TRUSTED_PROXIES", "192.0.2.1, 10.0.0.0/8")
    assert settings_with().trusted_proxies == ("192.0.2.1", "10.0.0.0/8")
    for wrong in ("proxy.example.org", "*", "10.0.0.0/99"):
        monkeypatch.setenv("STEPIQ_TRUSTED_PROXIES", wrong)
        with pytest.raises(InvalidInput, match=r"STEPIQ_TRUSTED_PROXIES.*is no address or network"):
            settings_with()
