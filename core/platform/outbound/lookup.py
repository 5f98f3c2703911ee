"""Looking names up off the event loop, in threads of our own: a name server that stalls holds nobody else's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from core.platform.outbound.targets import Address

Lookup = Callable[[str, int], Awaitable[tuple[Address, ...]]]
THREADS = 32


class SystemLookup:
    """The operating system's resolver. Cancelling stops the wait; the thread ends with the resolver's own limit."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="outbound-lookup")

    async def __call__(self, host: str, port: int) -> tuple[Address, ...]:
        """All addresses of a name, in the resolver's order. Raises OSError when there is none."""
        found = await asyncio.wrap_future(self._threads.submit(_addresses, host, port))
        return tuple(dict.fromkeys(found))


def _addresses(host: str, port: int) -> list[Address]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
