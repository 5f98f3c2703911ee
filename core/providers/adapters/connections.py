"""HTTP connections to a vendor, shared by all calls to it whatever their key.

The SDKs speak through httpx2; beneath it aiohttp does the work, which takes half of the CPU a call that httpcore
takes, and does not look at every connection of the pool at each call.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport

MOST_CALLS = 1_024
"""Calls to one vendor at once; more of them wait for a connection."""
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


def open_connections(*, hosted: bool) -> httpx2.AsyncClient:
    """A client for all calls to one vendor in one event loop. `hosted`: at the vendor itself, not some other server.

    It keeps no cookies, because calls of different people share it, and takes no key along a redirect.
    """
    tls = httpx2.create_ssl_context()  # once: it reads every certificate authority

    def session() -> aiohttp.ClientSession:
        kept = VENDOR_KEEPS_SECONDS if hosted else SERVER_KEEPS_SECONDS
        connector = aiohttp.TCPConnector(limit=MOST_CALLS, keepalive_timeout=kept, ssl=tls)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)

    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    transport = _Transport(verify=tls, client=session)
    return httpx2.AsyncClient(transport=transport, cookies=no_cookies, follow_redirects=False)
