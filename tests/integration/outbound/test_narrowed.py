"""A step's own network_allowlist narrows what may be reached, and never widens it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.platform.outbound import Outbound, OutboundRefused, OutboundRequest
from tests.integration.outbound.conftest import Names
from tests.support.http_peer import HttpPeer


@pytest.mark.parametrize(
    ("network_allowlist", "host"),
    [
        (("api.example.org",), "api.example.org"),
        (("API.example.org",), "api.example.org"),
        (("*.example.org",), "api.example.org"),
        (("*.example.org",), "deep.api.example.org"),
        (("other.example", "*.example.org"), "api.example.org"),
        (("127.0.0.1",), "127.0.0.1"),
        (None, "api.example.org"),
    ],
)
async def test_listed_hosts_are_reached(
    network_allowlist: tuple[str, ...] | None,
    host: str,
    outbound_with: Callable[..., Outbound],
    names: Names,
    peer: HttpPeer,
) -> None:
    names.point(host, ("127.0.0.1",))
    request = OutboundRequest("GET", f"http://{host}:{peer.port}/", network_allowlist=network_allowlist)
    assert (await outbound_with("127.0.0.0/8").send(request)).status == 200


@pytest.mark.parametrize(
    ("network_allowlist", "host"),
    [
        ((), "api.example.org"),
        (("api.example.org",), "example.org"),
        (("api.example.org",), "evil-api.example.org"),
        (("api.example.org",), "api.example.org.evil.example"),
        (("*.example.org",), "example.org"),
        (("*.example.org",), "evilexample.org"),
        (("*.0.0.1",), "127.0.0.1"),
        (("api.example.org",), "127.0.0.1"),
        (("*",), "api.example.org"),
        (("*.*.org",), "api.example.org"),
    ],
)
async def test_others_are_refused_before_a_lookup(
    network_allowlist: tuple[str, ...],
    host: str,
    outbound_with: Callable[..., Outbound],
    names: Names,
    peer: HttpPeer,
) -> None:
    request = OutboundRequest("GET", f"http://{host}:{peer.port}/", network_allowlist=network_allowlist)
    with pytest.raises(OutboundRefused, match="network_allowlist"):
        await outbound_with("127.0.0.0/8").send(request)
    assert (peer.connections, names.asked) == (0, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "inside.example", "metadata.google.internal"])
async def test_a_step_cannot_open_what_the_installation_keeps_shut(
    host: str, outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer
) -> None:
    names.point("inside.example", ("127.0.0.1",))
    request = OutboundRequest("GET", f"http://{host}:{peer.port}/", network_allowlist=(host,))
    with pytest.raises(OutboundRefused):
        await outbound_with().send(request)
    assert peer.connections == 0


async def test_redirects_stay_within_the_list(
    outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer
) -> None:
    names.point("api.example.org", ("127.0.0.1",))
    names.point("other.example", ("127.0.0.1",))
    peer.redirect("/out", f"http://other.example:{peer.port}/in")
    request = OutboundRequest(
        "GET",
        f"http://api.example.org:{peer.port}/out",
        follow_redirects=True,
        network_allowlist=("*.example.org",),
    )
    with pytest.raises(OutboundRefused, match=r"other\.example"):
        await outbound_with("127.0.0.0/8").send(request)
    assert [seen.path for seen in peer.requests] == ["/out"]
