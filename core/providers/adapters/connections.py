"""HTTP connections to a vendor, shared by all calls to it whatever their key.

The SDKs speak through httpx2; beneath it aiohttp does the work, which takes half of the CPU a call that httpcore
takes, and does not look at every connection of the pool at each call.

Addresses of people's own are reached over guarded connections: every request and every address a name leads to is
judged by the way out, and what answers is not trusted to be a vendor.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv6Address
from typing import cast

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp.httpx2 import AiohttpTransport

from core.platform.outbound import Outbound
from core.platform.outbound.targets import Target

MOST_CALLS = 1_024
"""Calls to one vendor at once; more of them wait for a connection."""
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes from an address of a person's own: 128,000 tokens in events of 250 bytes are half of it."""
VENDOR_KEEPS_SECONDS = 60.0
SERVER_KEEPS_SECONDS = 4.0  # uvicorn (vLLM) and Node close an idle connection after 5: a call on it would be lost


class _Transport(AiohttpTransport):
    """httpx-aiohttp 0.2 calls every connection that fails a time-out; only one that took too long is."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await super().handle_async_request(request)
        except httpx2.ConnectTimeout as error:
            if isinstance(error.__cause__, aiohttp.ServerTimeoutError):
                raise
            raise httpx2.ConnectError(str(error)) from error.__cause__


class _GuardedResolver(AbstractResolver):
    """Gives a connection only addresses that were judged, so that a name cannot lead elsewhere a moment later."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._outbound.resolve(Target("https", host, port))
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _GuardedTransport(_Transport):
    """Judges each request before it has a connection: about a host that is an address no resolver is asked."""

    def __init__(
        self, outbound: Outbound, *, verify: ssl.SSLContext, client: Callable[[], aiohttp.ClientSession]
    ) -> None:
        super().__init__(verify=verify, client=client)
        self._outbound = outbound

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._outbound.check_keyed_url(str(request.url))
        request.headers["Accept-Encoding"] = "identity"  # a few bytes could unpack to more than the memory holds
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.RemoteProtocolError("packed although it was asked not to be")
        response.stream = _BoundedStream(cast(httpx2.AsyncByteStream, response.stream))
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    """A body that breaks off when it is longer than any answer is."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._body:
            size += len(chunk)
            if size > LONGEST_ANSWER:
                raise httpx2.ReadError("longer than any answer is")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


def open_connections(*, hosted: bool, guard: Outbound | None = None) -> httpx2.AsyncClient:
    """A client for all calls to one vendor in one event loop. `hosted`: at the vendor itself, not some other server.

    It keeps no cookies, because calls of different people share it, and takes no key along a redirect. With a `guard`
    it reaches what the way out allows, and never through the environment's proxy, which would look names up again.
    """
    tls = httpx2.create_ssl_context()  # once: it reads every certificate authority

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=MOST_CALLS,
            keepalive_timeout=VENDOR_KEEPS_SECONDS if hosted else SERVER_KEEPS_SECONDS,
            ssl=tls,
            resolver=_GuardedResolver(guard) if guard else None,
            use_dns_cache=guard is None,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=guard is None)

    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    transport = (
        _GuardedTransport(guard, verify=tls, client=session) if guard else _Transport(verify=tls, client=session)
    )
    return httpx2.AsyncClient(transport=transport, cookies=no_cookies, follow_redirects=False, trust_env=guard is None)
