"""One pool of HTTP connections for all keys of a vendor."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2


def open_pool(
    make: type[httpx2.AsyncClient], connections: int, kept_alive: int, kept_alive_seconds: float
) -> httpx2.AsyncClient:
    """A pool of an SDK's kind of client.

    It keeps no cookies, because calls of different people share it, and takes no key along a redirect.
    """
    return make(
        limits=httpx2.Limits(
            max_connections=connections,
            max_keepalive_connections=kept_alive,
            keepalive_expiry=kept_alive_seconds,
        ),
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
    )
