"""From a model's card and a key to a port, on shared connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from core.accounts.domain import OwnKey
from core.platform.outbound import Outbound
from core.providers.catalogue import VENDORS
from core.providers.demo import DEFAULT_PACE_SECONDS, DemoModel
from core.providers.domain import (
    ANTHROPIC,
    DEMO_PROVIDER,
    OPENAI,
    ModelCard,
    ModelPort,
    ModelReply,
    ModelRequest,
    OnDelta,
    ProviderConfig,
    no_key,
    no_price,
)

if TYPE_CHECKING:
    import httpx2

MAX_CLIENTS = 1_024
RESPONSES_SMALLEST_OUTPUT = 16  # the Responses API refuses a lower max_output_tokens
_ADAPTERS = {
    ANTHROPIC: "core.providers.adapters.anthropic",
    OPENAI: "core.providers.adapters.openai",
}
_PARTNER_ADAPTER = "core.providers.adapters.partner"


@dataclass(frozen=True, slots=True)
class _Client:
    """An SDK client, and what the models behind it are known to refuse."""

    sdk: Any
    refused: dict[str, frozenset[str]]


@dataclass(slots=True)
class _Connections:
    """What belongs to one event loop: the connections to each vendor, and an SDK client a key and address.

    `guarded` are the connections to all addresses of people's own.
    """

    http: dict[str, httpx2.AsyncClient] = field(default_factory=dict)
    guarded: httpx2.AsyncClient | None = None
    clients: dict[tuple[str, str, str | None], _Client] = field(default_factory=dict)


class Providers:
    """Ports to all models. HTTP connections are shared by every call to a vendor, whatever the key.

    The SDKs are imported at the first use of a vendor, or by `warm`, because that takes a second.
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        outbound: Outbound | None = None,
        demo_pace_seconds: float = DEFAULT_PACE_SECONDS,
    ) -> None:
        """`outbound` judges the addresses of people's own; without one only public addresses are reached."""
        self._config = config
        self._outbound = outbound or Outbound()
        self._demo = DemoModel(demo_pace_seconds)
        self._partners = {partner.name: partner for partner in config.partners}
        self._refused: dict[str, frozenset[str]] = {}
        # Connections belong to the event loop that opened them.
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = WeakKeyDictionary()

    def port_for(self, card: ModelCard, own_key: OwnKey | None, *, metered: bool = True) -> ModelPort:
        """The port of a model under a person's own key, or under the platform's where `own_key` is None.

        A key with a base URL is sent to that only, over guarded connections. An empty own key is a missing one and
        never falls back to the platform's. Raises ProviderError
        `NO_KEY`, and `NO_PRICE` for a model of unknown price on a platform key, unless the call is not
        `metered` (the operator's own).
        """
        if card.provider == DEMO_PROVIDER:
            return self._demo
        key = own_key.secret if own_key is not None else self._platform_key(card.provider)
        if key is None or (not key and (own_key is not None or card.provider in VENDORS)):
            raise no_key(card.provider, own=own_key is not None)
        if metered and own_key is None and card.price is None:
            raise no_price(card.id)
        return _RoutedPort(self, card, key, own_key.base_url if own_key is not None else None)

    def providers_needing_key(self) -> tuple[str, ...]:
        """The vendors without a platform key: people need their own to use them."""
        return tuple(vendor for vendor in VENDORS if not self._platform_key(vendor))

    async def warm(self) -> None:
        """Import the SDKs of the vendors with keys and make their clients, off the event loop's thread."""
        configured = [vendor for vendor in VENDORS if self._platform_key(vendor)]
        modules = [_ADAPTERS[vendor] for vendor in configured] + ([_PARTNER_ADAPTER] if self._partners else [])
        for module in modules:
            await asyncio.to_thread(import_module, module)
        for vendor in (*configured, *self._partners):
            self._client(vendor, self._platform_key(vendor) or "", None)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections is not None:
            for http in connections.http.values():
                await http.aclose()
            if connections.guarded is not None:
                await connections.guarded.aclose()

    def _client(self, provider: str, key: str, address: str | None) -> _Client:
        """The client of a key: on the vendor's connections, or on guarded ones to an `address` of a person's own."""
        clients = self._connections().clients
        client = clients.get((provider, key, address))
        if client is None:
            if len(clients) >= MAX_CLIENTS:  # own keys come and go; the connections stay
                clients.pop(next(iter(clients)))
            make = _adapter(provider).make_client
            if address is None:
                client = _Client(make(key, self._base_url(provider), self._http(provider)), self._refused)
            else:  # what a gateway of one person refuses is no word of the vendor's to others
                client = _Client(make(key, address, self._guarded()), {})
                # The SDKs take these from the environment, where they are the platform's.
                client.sdk._custom_headers = {}
            clients[provider, key, address] = client
        return client

    def port_on_client(self, card: ModelCard, key: str, address: str | None, request: ModelRequest) -> ModelPort:
        """The adapter a request needs, on its client."""
        name, port = _PARTNER_ADAPTER, "ChatPort"
        small = request.max_tokens is not None and request.max_tokens < RESPONSES_SMALLEST_OUTPUT
        if card.provider == ANTHROPIC:
            name, port = _ADAPTERS[ANTHROPIC], "AnthropicPort"
        elif card.api == "responses" and not small:
            name, port = _ADAPTERS[OPENAI], "OpenAIPort"
        make = getattr(import_module(name), port)
        client = self._client(card.provider, key, address)
        return cast(ModelPort, make(card, key, client.refused, client.sdk))

    def _http(self, provider: str) -> httpx2.AsyncClient:
        connections = self._connections()
        if provider not in connections.http:
            connections.http[provider] = _open_connections(hosted=self._base_url(provider) is None)
        return connections.http[provider]

    def _guarded(self) -> httpx2.AsyncClient:
        connections = self._connections()
        if connections.guarded is None:
            connections.guarded = _open_connections(hosted=False, guard=self._outbound)
        return connections.guarded

    def _connections(self) -> _Connections:
        return self._by_loop.setdefault(asyncio.get_running_loop(), _Connections())

    def _platform_key(self, provider: str) -> str | None:
        if provider == ANTHROPIC:
            return self._config.anthropic_api_key
        if provider == OPENAI:
            return self._config.openai_api_key
        partner = self._partners.get(provider)
        return partner.api_key if partner else None

    def _base_url(self, provider: str) -> str | None:
        if provider == ANTHROPIC:
            return self._config.anthropic_base_url
        if provider == OPENAI:
            return self._config.openai_base_url
        return self._partners[provider].base_url


def _open_connections(**options: Any) -> httpx2.AsyncClient:
    return cast("httpx2.AsyncClient", import_module("core.providers.adapters.connections").open_connections(**options))


def _adapter(provider: str) -> Any:
    return import_module(_ADAPTERS.get(provider, _ADAPTERS[OPENAI]))


class _RoutedPort:
    """Finds its client when called, because only then it is known which event loop calls."""

    def __init__(self, providers: Providers, card: ModelCard, key: str, address: str | None) -> None:
        self._providers = providers
        self._card = card
        self._key = key
        self._address = address

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply:
        port = self._providers.port_on_client(self._card, self._key, self._address, request)
        return await port.complete(request, on_delta)
