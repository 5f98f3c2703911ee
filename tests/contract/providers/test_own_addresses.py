"""Keys with an address of a person's own: what is reached, with which key, and what never is."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.accounts.domain import OwnKey
from core.platform.outbound import Outbound, parse_allowlist
from core.providers.domain import ProviderConfig
from core.providers.router import Providers
from core.shared.errors import ProviderError
from tests.contract.providers.conftest import KEY, Vendor
from tests.integration.outbound.conftest import Names, names, peer, tried
from tests.support.http_peer import HttpPeer
from tests.support.vendor_stub import StubServer

__all__ = ["names", "peer", "tried"]

OWN = "sk-own-key-abcdef"
PUBLIC = "93.184.216.34"
PATHS = {"anthropic": "/anthropic", "openai": "/v1", "partner": "/v1"}


@pytest.fixture
def gateway() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


@pytest.fixture
async def guarded(config: ProviderConfig) -> AsyncIterator[Callable[..., Providers]]:
    """Providers behind a way out with this allow-list."""
    made: list[Providers] = []

    def make(allowlist: str = "", **options: Any) -> Providers:
        made.append(Providers(config, outbound=Outbound(parse_allowlist(allowlist), **options)))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def call(providers: Providers, vendor: Vendor, base_url: str | None, scenario: str = "", **changes: Any) -> str:
    key = OwnKey(OWN, base_url)
    port = providers.port_for(vendor.scenario_card(scenario), key)
    return (await port.complete(vendor.request(**changes), None)).text


async def refusal(providers: Providers, vendor: Vendor, base_url: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call(providers, vendor, base_url)
    return caught.value


async def test_the_key_goes_to_its_own_address_and_nowhere_else(
    vendor: Vendor, gateway: StubServer, guarded: Callable[..., Providers]
) -> None:
    providers = guarded("127.0.0.1")
    assert await call(providers, vendor, gateway.url + PATHS[vendor.kind])
    assert await call(providers, vendor, gateway.url + PATHS[vendor.kind])
    assert not vendor.stub.requests
    first, second = gateway.stub.requests
    assert OWN in str(first.headers) and KEY not in str(first.headers)
    assert first.client_port == second.client_port, "one connection"
    assert await call(providers, vendor, None), "the same key without an address"
    await providers.port_for(vendor.card, None).complete(vendor.request(), None)
    assert len(gateway.stub.requests) == 2
    assert [KEY in str(seen.headers) for seen in vendor.stub.requests] == [False, True]


async def test_what_the_environment_adds_for_the_platform_stays_here(
    vendor: Vendor, gateway: StubServer, guarded: Callable[..., Providers], monkeypatch: pytest.MonkeyPatch
) -> None:
    for vendors in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{vendors}_CUSTOM_HEADERS", "X-Platform: for-our-proxy-only")
        monkeypatch.setenv(f"{vendors}_AUTH_TOKEN", "for-our-proxy-only")
        monkeypatch.setenv(f"{vendors}_ORG_ID", "for-our-proxy-only")
    await call(guarded("127.0.0.1"), vendor, gateway.url + PATHS[vendor.kind])
    assert "for-our-proxy-only" not in str(gateway.stub.requests[-1].headers)


async def test_the_environments_proxy_is_not_used(
    vendor: Vendor,
    gateway: StubServer,
    guarded: Callable[..., Providers],
    peer: HttpPeer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{peer.port}")
    await call(guarded("127.0.0.1"), vendor, gateway.url + PATHS[vendor.kind])
    assert peer.connections == 0 and gateway.stub.requests


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "[::ffff:127.0.0.1]", "2130706433"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_address_inside_is_not_connected_to(
    vendor: Vendor, guarded: Callable[..., Providers], peer: HttpPeer, tried: list[str], scheme: str, host: str
) -> None:
    providers = guarded(public_ports=frozenset({443, peer.port}))
    error = await refusal(providers, vendor, f"{scheme}://{host}:{peer.port}{PATHS[vendor.kind]}")
    assert (error.code, error.retryable, error.charged) == ("ADDRESS_REFUSED", False, False)
    assert error.message.startswith(f"The address of your {vendor.card.provider} key may not be reached. ")
    assert (peer.connections, tried) == (0, [])


async def test_a_key_is_not_sent_in_the_clear(
    vendor: Vendor, guarded: Callable[..., Providers], names: Names, tried: list[str]
) -> None:
    names.point("gateway.example.org", (PUBLIC,))
    error = await refusal(guarded(lookup=names), vendor, "http://gateway.example.org/v1")
    assert error.code == "ADDRESS_REFUSED" and "https" in error.message
    assert (tried, names.asked) == ([], [])


async def test_a_name_that_turns_inside_is_not_followed(
    vendor: Vendor, guarded: Callable[..., Providers], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    providers = guarded(lookup=names, public_ports=frozenset({peer.port}))
    address = f"https://gateway.example.org:{peer.port}/v1"
    names.point("gateway.example.org", (PUBLIC,), ("127.0.0.1",))
    first = await refusal(providers, vendor, address)
    assert (first.code, first.retryable) == ("CONNECTION", True), "tests reach only loopback"
    assert (tried, len(names.asked)) == ([PUBLIC], 1), "looked up once: what was judged is what was tried"
    second = await refusal(providers, vendor, address)
    assert (second.code, second.retryable) == ("ADDRESS_REFUSED", False)
    assert (tried, len(names.asked), peer.connections) == ([PUBLIC], 2, 0)


async def test_a_name_that_leads_both_ways_is_refused_whole(
    vendor: Vendor, guarded: Callable[..., Providers], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    providers = guarded(lookup=names, public_ports=frozenset({peer.port}))
    for found in ((PUBLIC, "127.0.0.1"), ("127.0.0.1", PUBLIC), (PUBLIC, "169.254.169.254"), ("::1",)):
        names.point("gateway.example.org", found)
        error = await refusal(providers, vendor, f"https://gateway.example.org:{peer.port}/v1")
        assert error.code == "ADDRESS_REFUSED"
    assert (tried, peer.connections) == ([], 0)


async def test_a_name_that_the_operator_opened_is_reached(
    vendor: Vendor, gateway: StubServer, guarded: Callable[..., Providers], names: Names
) -> None:
    names.point("gateway.corp.example", ("127.0.0.1",))
    port = gateway.url.rpartition(":")[2]
    address = f"http://gateway.corp.example:{port}{PATHS[vendor.kind]}"
    assert await call(guarded("*.corp.example", lookup=names), vendor, address)
    assert gateway.stub.requests[-1].headers["host"] == f"gateway.corp.example:{port}"


async def test_a_name_that_is_not_found_says_so(
    vendor: Vendor, guarded: Callable[..., Providers], names: Names
) -> None:
    error = await refusal(guarded(lookup=names), vendor, "https://gatway.example.org/v1")
    assert (error.code, error.retryable) == ("CONNECTION", True) and "gatway.example.org was not found" in error.message


async def test_a_redirect_takes_no_key_along(
    vendor: Vendor, guarded: Callable[..., Providers], peer: HttpPeer, gateway: StubServer
) -> None:
    for path in ("/v1/messages", "/responses", "/chat/completions"):
        peer.redirect(path, gateway.url + path, 307)
    await refusal(guarded("127.0.0.1"), vendor, f"http://127.0.0.1:{peer.port}")
    assert len(peer.requests) == 1 and not gateway.stub.requests


async def test_packed_answers_are_not_unpacked(
    vendor: Vendor, guarded: Callable[..., Providers], peer: HttpPeer
) -> None:
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    for path in ("/v1/messages", "/responses", "/chat/completions"):
        peer.answers[path] = (200, packed, gzip.compress(b" " * 1_000_000))
    error = await refusal(guarded("127.0.0.1"), vendor, f"http://127.0.0.1:{peer.port}")
    assert error.code == "CONNECTION"
    assert peer.requests[-1].headers["accept-encoding"] == "identity"


async def test_an_endless_answer_breaks_off(
    vendor: Vendor, guarded: Callable[..., Providers], gateway: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    providers, address = guarded("127.0.0.1"), gateway.url + PATHS[vendor.kind]
    assert await call(providers, vendor, address)
    monkeypatch.setattr("core.providers.adapters.connections.LONGEST_ANSWER", 100)
    error = await refusal(providers, vendor, address)
    assert error.code in ("CONNECTION", "TRUNCATED_STREAM")


async def test_what_a_gateway_refuses_is_still_sent_to_the_vendor(
    vendor: Vendor, guarded: Callable[..., Providers], gateway: StubServer
) -> None:
    providers, address = guarded("127.0.0.1"), gateway.url + PATHS[vendor.kind]
    for _ in range(2):
        await call(providers, vendor, address, "no-temp", temperature=0.5)
    sent = ["temperature" in seen.body for seen in gateway.stub.requests]
    assert sent == [True, False, False], "it is remembered of the gateway"
    card = replace(vendor.scenario_card("no-temp"))
    await providers.port_for(card, None).complete(vendor.request(temperature=0.5), None)
    assert "temperature" in vendor.stub.requests[0].body
