"""How fast one caller may ask: a bucket of tokens a caller, in the memory of this process.

A caller is a credential, told apart by a hash of it, or without one a network address. Writing and reading have a
bucket each: a minute's worth, filled at an even pace, so that short bursts pass. Who sends wrong credentials is also
counted by address. Several processes have buckets each: the limit protects the machine, it is no price.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.accounts.throttle import client_network
from core.shared.errors import LimitExceeded
from web.api.errors import problem
from web.errors import retry_headers
from web.sessions import client_host, cookie_token

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

REMEMBERED = 20_000  # callers; the one seen longest ago is forgotten first, and begins with a full bucket
WRONG_A_MINUTE = 120
UNLIMITED = ("/health", "/ready", "/metrics")
OPEN = ("/auth/", "/billing/stripe/", "/models", "/price-books/", "/schema/", "/openapi.json")


class Buckets:
    """Token buckets of one size: `take` says how many seconds to wait, 0 where there was a token."""

    def __init__(self, per_minute: int) -> None:
        self._size, self._pace = float(per_minute), per_minute / 60
        self._kept: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, caller: bytes, now: float, tokens: float = 1.0) -> float:
        """Take tokens where there are enough; with 0 only look whether there is one."""
        left, since = self._kept.pop(caller, (self._size, now))
        left = min(self._size, left + max(0.0, now - since) * self._pace)
        needed = tokens or 1.0
        wait = 0.0 if left >= needed else (needed - left) / self._pace
        self._kept[caller] = (left - tokens if not wait else left, now)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return wait


class RateLimit:
    """Answers 429 with `Retry-After` to callers that ask faster than the settings allow."""

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app, self._runtime = app, runtime
        self._writes = Buckets(runtime.settings.api_writes_per_minute)
        self._reads = Buckets(runtime.settings.api_reads_per_minute)
        self._wrong = Buckets(WRONG_A_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path in UNLIMITED:
            await self._app(scope, receive, send)
            return
        now = self._runtime.clock.now().timestamp()
        client = client_network(client_host(HTTPConnection(scope))).encode()
        buckets = self._reads if scope["method"] in ("GET", "HEAD", "OPTIONS") else self._writes
        # Where no credential is looked at, whatever is sent in its place tells nobody apart.
        caller = None if path.startswith(OPEN) else self._caller(scope)
        known = caller or client
        wait = buckets.take(known, now) if known else 0.0
        if client:
            wait = max(wait, self._wrong.take(client, now, 0.0))
        if wait:
            await _too_fast(wait)(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401 and client:
                self._wrong.take(client, now)
            await send(message)

        await self._app(scope, receive, counted)

    def _caller(self, scope: Scope) -> bytes | None:
        headers = Headers(scope=scope)
        credential = headers.get("x-api-key") or headers.get("authorization") or cookie_token(self._runtime, headers)
        return hashlib.sha256(credential.encode()).digest() if credential else None


def _too_fast(wait: float) -> ASGIApp:
    error = LimitExceeded(
        "RATE_LIMITED", "You ask faster than this installation allows. Wait, then go on.", retry_after=wait
    )
    return problem(429, error.code, error.message, headers=retry_headers(error))
