"""A peer on loopback, a resolver of the test's own, and a record of every address a socket was sent to."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any

import pytest

from core.platform.outbound import Outbound, parse_allowlist
from tests.support.http_peer import HttpPeer


class Names:
    """A resolver: each look-up takes the next answer of its name, the last one stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[str] = []

    def point(self, host: str, *answers: tuple[str, ...]) -> None:
        self.answers[host] = list(answers)

    async def __call__(self, host: str, port: int) -> tuple[Any, ...]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("no such name")
        answers = self.answers[host]
        return tuple(ip_address(address) for address in (answers.pop(0) if len(answers) > 1 else answers[0]))


@pytest.fixture
async def peer() -> AsyncIterator[HttpPeer]:
    async with HttpPeer() as running:
        yield running


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that a socket was asked to connect to."""
    addresses: list[str] = []
    connect = socket.socket.connect

    def record(self: socket.socket, address: Any) -> None:
        addresses.append(str(address[0]))
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", record)
    return addresses


@pytest.fixture(scope="session")
def ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()


@pytest.fixture
def outbound_with(names: Names, peer: HttpPeer, ssl_context: ssl.SSLContext) -> Callable[..., Outbound]:
    """An Outbound whose public ports include the peer's, so that only the address can be what is refused."""

    def make(allowlist: str = "", **options: Any) -> Outbound:
        ports = options.pop("public_ports", frozenset({80, 443, peer.port}))
        options = {"lookup": names, "ssl_context": ssl_context, **options}
        return Outbound(parse_allowlist(allowlist), public_ports=ports, **options)

    return make


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
