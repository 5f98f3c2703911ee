"""Pools of HTTP connections to a vendor, for all of its keys.

The pool of httpcore looks at each of its connections before and after every call, idle ones included, so that its
cost a call grows with the number of connections: with a hundred it was more than the rest of the call. Hence many
small pools, where one is opened only when those before it are busy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

CALLS_A_POOL = 16
MAX_POOLS = 64
KEEPING_POOLS = 16  # the pools after these close their connections after each call
VENDOR_KEEPS_SECONDS = 60.0
SERVER_KEEPS_SECONDS = 4.0  # uvicorn (vLLM) and Node close an idle connection after 5: a call on it would be lost


@dataclass(slots=True)
class Pool:
    """A few connections, and how many calls use them now."""

    number: int
    http: httpx2.AsyncClient
    calls: int = 0


class Pools:
    """The pools of one vendor in one event loop."""

    def __init__(self, make: type[httpx2.AsyncClient], *, hosted: bool) -> None:
        """`make`: the kind of client the vendor's SDK wants. `hosted`: at the vendor itself, not some other server."""
        self._make = make
        self._kept_seconds = VENDOR_KEEPS_SECONDS if hosted else SERVER_KEEPS_SECONDS
        self._tls = httpx2.create_ssl_context()  # once: it reads every certificate authority
        self._pools: list[Pool] = []

    @contextmanager
    def use(self) -> Iterator[Pool]:
        """The first pool with room, for one call; beyond the last one calls wait for a connection."""
        pool = next((pool for pool in self._pools if pool.calls < CALLS_A_POOL), None)
        if pool is None and len(self._pools) < MAX_POOLS:
            pool = Pool(len(self._pools), self._open(keeps=len(self._pools) < KEEPING_POOLS))
            self._pools.append(pool)
        elif pool is None:
            pool = min(self._pools, key=lambda pool: pool.calls)
        pool.calls += 1
        try:
            yield pool
        finally:
            pool.calls -= 1

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools:
            await pool.http.aclose()

    def _open(self, *, keeps: bool) -> httpx2.AsyncClient:
        """It keeps no cookies, because calls of different people share it, and takes no key along a redirect."""
        return self._make(
            verify=self._tls,
            limits=httpx2.Limits(
                max_connections=CALLS_A_POOL,
                max_keepalive_connections=CALLS_A_POOL if keeps else 0,
                keepalive_expiry=self._kept_seconds,
            ),
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
        )
