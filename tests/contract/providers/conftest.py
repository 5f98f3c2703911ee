"""The three adapters on the stand-in server, through the real SDKs over real sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from core.providers.catalogue import Catalogue
from core.providers.domain import ModelCard, ModelReply, ModelRequest, PartnerConfig, ProviderConfig
from core.providers.router import Providers
from tests.support.vendor_stub import Seen, StubServer, VendorStub

KEY = "sk-secret-key-0123456789"
PROMPT = "Please repeat these telling words: walrus carpenter oyster sunshine cabbages kings and sealing wax"
KINDS = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-4.1-mini", "partner": "stub-llama-vision"}


@dataclass
class Vendor:
    """One adapter with its server: `await vendor.call("rate-limit")`."""

    kind: str
    providers: Providers
    card: ModelCard
    stub: VendorStub

    def request(self, **changes: Any) -> ModelRequest:
        plain = ModelRequest(self.card.id, PROMPT, idempotency_key="run:step:1", timeout_seconds=10)
        return replace(plain, **changes)

    async def call(self, scenario: str = "", listen: Callable[[str], None] | None = None, **changes: Any) -> ModelReply:
        card = self.scenario_card(scenario)
        return await self.providers.port_for(card, None).complete(self.request(**changes), listen)

    def scenario_card(self, scenario: str) -> ModelCard:
        return replace(self.card, vendor_model=f"{self.card.vendor_model}-{scenario}".rstrip("-"))

    @property
    def last(self) -> Seen:
        return self.stub.requests[-1]


@pytest.fixture(scope="session")
def server() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


@pytest.fixture
def config(server: StubServer) -> ProviderConfig:
    partner = PartnerConfig(
        "stub", f"{server.url}/v1", KEY, (KINDS["partner"],), {"input": 0.1, "output": "0.3"}, "EU", "https://terms"
    )
    return ProviderConfig(KEY, f"{server.url}/anthropic", KEY, f"{server.url}/v1", (partner,))


@pytest.fixture(params=list(KINDS))
async def vendor(request: pytest.FixtureRequest, server: StubServer, config: ProviderConfig) -> AsyncIterator[Vendor]:
    card = Catalogue(config).find(KINDS[request.param])
    assert card is not None
    providers = Providers(config)
    server.stub.requests.clear()
    yield Vendor(request.param, providers, card, server.stub)
    await providers.aclose()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
