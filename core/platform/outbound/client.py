"""The client: checks a request, follows its redirects, and keeps its limits."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from urllib.parse import urljoin

import certifi

from core.platform.outbound.allowlist import AllowEntry, HostPattern, parse_host_patterns
from core.platform.outbound.errors import OutboundError, OutboundFailed, OutboundRefused, OutboundTimeout
from core.platform.outbound.lookup import Lookup, SystemLookup
from core.platform.outbound.messages import (
    OutboundRequest,
    OutboundResponse,
    after_redirect,
    checked_headers,
    checked_method,
)
from core.platform.outbound.rules import PUBLIC_PORTS, TargetRules
from core.platform.outbound.targets import Address, Target, read_target
from core.shared.errors import InvalidInput

REDIRECTS = frozenset({301, 302, 303, 307, 308})
LOOKUP_SECONDS = 5.0  # a person waits for it


class Outbound:
    """The way out for addresses that people wrote. Safe to use from any thread and event loop.

    Each hop gets a connection of its own, to the very address that was checked: nothing is pooled, so no later
    request rides on an earlier one's check. The environment's proxies are not used, because a proxy would look
    the name up again.
    """

    def __init__(
        self,
        entries: tuple[AllowEntry, ...] = (),
        *,
        public_ports: frozenset[int] = PUBLIC_PORTS,
        lookup: Lookup | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = TargetRules(entries, public_ports)
        self._lookup = lookup or SystemLookup()
        self._given_ssl_context = ssl_context

    async def send(self, request: OutboundRequest) -> OutboundResponse:
        """Send a request and read its answer, whatever its status.

        Raises OutboundRefused before a byte is sent to a target that is not allowed, OutboundTimeout and
        OutboundFailed. Cancelling closes the connection.
        """
        method, headers = checked_method(request.method), checked_headers(request.headers)
        narrowed_to = _patterns(request.network_allowlist)
        target = read_target(request.url)
        self._rules.check_target(target, narrowed_to)
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await self._follow(request, target, method, headers, narrowed_to)
        except TimeoutError:
            pass
        raise OutboundTimeout(
            f"{target.host} gave no whole answer within {request.timeout_seconds:g} s. "
            "Try again later, or allow more time."
        )

    def check_url(self, url: str, network_allowlist: tuple[str, ...] | None = None) -> Target:
        """Judge an address as far as that goes without a lookup. Raises OutboundRefused."""
        target = read_target(url)
        self._rules.check_target(target, _patterns(network_allowlist))
        return target

    def check_base_url(self, url: str) -> str:
        """A base URL a person enters, tidied: https (http only where the operator opened the host), no query.

        Raises InvalidInput that says what is wrong with it. Only the written form is judged here; where the name
        leads is judged at every connection.
        """
        try:
            target = self.check_keyed_url(url.strip())
        except OutboundRefused as refused:
            raise InvalidInput("INVALID_BASE_URL", refused.message, field="base_url") from None
        if "?" in target.rest or "#" in url:
            raise InvalidInput("INVALID_BASE_URL", "Enter the base URL without ? and #.", field="base_url")
        return target.url.rstrip("/")

    def look_up_base_url(self, url: str) -> str:
        """As `check_base_url`, and looked up once, so that a name that leads nowhere or inside is told at once.

        Blocks for the lookup. It spares no later one: the name may lead elsewhere by then.
        """
        tidied = self.check_base_url(url)
        try:
            with ThreadPoolExecutor(1) as thread:  # for a loop of its own: the caller's may be running
                thread.submit(asyncio.run, self._resolve_soon(read_target(tidied))).result()
        except OutboundError as problem:
            raise InvalidInput("INVALID_BASE_URL", problem.message, field="base_url") from None
        return tidied

    def check_keyed_url(self, url: str) -> Target:
        """Judge an address that a key is sent to, without a lookup: https, or http to a host the operator opened.

        Raises OutboundRefused.
        """
        target = self.check_url(url)
        if target.scheme != "https" and not self._rules.may_be_private(target):
            raise OutboundRefused("A key is only sent over https. Enter https://…")
        return target

    async def resolve(self, target: Target) -> tuple[Address, ...]:
        """The addresses of a target, every one of them allowed. Raises OutboundRefused and OutboundFailed."""
        if target.address is not None:
            found: tuple[Address, ...] = (target.address,)
        else:
            found = self._rules.local_addresses(target) or await self._look_up(target)
        self._rules.check_addresses(target, found)
        return found

    async def _resolve_soon(self, target: Target) -> None:
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await self.resolve(target)
        except TimeoutError:
            raise OutboundTimeout(f"The host {target.host} was not found in time. Try again later.") from None

    async def _look_up(self, target: Target) -> tuple[Address, ...]:
        try:
            found = await self._lookup(target.host, target.port)
        except OSError:
            found = ()
        if not found:
            raise OutboundFailed(f"The host {target.host} was not found. Check its name, or try again later.")
        return found

    async def _follow(
        self,
        request: OutboundRequest,
        target: Target,
        method: str,
        headers: dict[str, bytes],
        narrowed_to: tuple[HostPattern, ...] | None,
    ) -> OutboundResponse:
        from core.platform.outbound.exchange import exchange  # httpx is loaded at first use

        body, hosts = request.body, [target.host]
        while True:
            addresses = await self.resolve(target)
            if request.on_send is not None:
                await request.on_send(target.host)
            answer = await exchange(
                target,
                addresses,
                method=method,
                headers=headers,
                body=body,
                ssl_context=self._ssl_context,
                max_bytes=request.max_bytes,
                stop_at=REDIRECTS if request.follow_redirects else frozenset(),
            )
            if answer.location is None:
                return OutboundResponse(answer.status, answer.headers, answer.body, answer.truncated, tuple(hosts))
            if len(hosts) > request.max_redirects:
                raise OutboundFailed(
                    f"{hosts[0]} redirects more than {request.max_redirects} times. Enter the final address.",
                    retryable=False,
                )
            before, target = target, read_target(urljoin(target.url, answer.location))
            self._rules.check_target(target, narrowed_to)
            same_origin = before.origin == target.origin
            method, headers, body = after_redirect(answer.status, method, headers, body, same_origin=same_origin)
            hosts.append(target.host)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        """Certificates are checked against Mozilla's roots and those the machine's operator installed."""
        if self._given_ssl_context is not None:
            return self._given_ssl_context
        context = ssl.create_default_context(cafile=certifi.where())
        context.load_default_certs()
        return context


def _patterns(network_allowlist: tuple[str, ...] | None) -> tuple[HostPattern, ...] | None:
    if network_allowlist is None:
        return None
    try:
        return parse_host_patterns(network_allowlist)
    except ValueError as problem:
        raise OutboundRefused(f"The step's network_allowlist is wrong: {problem}.") from None
