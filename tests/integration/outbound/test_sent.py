"""What is allowed is sent whole, answered whole, and kept within its limits."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from core.platform.outbound import (
    Outbound,
    OutboundFailed,
    OutboundRefused,
    OutboundRequest,
    OutboundTimeout,
    parse_allowlist,
)
from core.platform.runtime import Runtime
from tests.integration.outbound.conftest import Names
from tests.support.http_peer import HttpPeer


@pytest.mark.parametrize(
    ("allowlist", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.1:PORT", "127.0.0.1"),
        ("localhost", "localhost"),
        ("localhost:PORT", "LOCALHOST"),
        ("127.0.0.0/8", "localhost"),
        ("n8n.corp.example", "n8n.corp.example"),
        ("*.corp.example", "n8n.corp.example"),
        ("10.0.0.0/8, 127.0.0.0/8", "n8n.corp.example"),
        ("127.0.0.0/8", "printer.local"),
        ("bücher.example", "BÜCHER.example"),
    ],
)
async def test_the_allow_list_opens_hosts_ranges_and_any_port(
    allowlist: str, host: str, names: Names, peer: HttpPeer
) -> None:
    for name in ("n8n.corp.example", "printer.local", "xn--bcher-kva.example"):
        names.point(name, ("127.0.0.1",))
    outbound = Outbound(parse_allowlist(allowlist.replace("PORT", str(peer.port))), lookup=names)
    body = json.dumps({"a": "é"}).encode()
    answer = await outbound.send(
        OutboundRequest("post", f"http://{host}:{peer.port}/in?q=1&r=é#part", {"Authorization": "Bearer x"}, body)
    )
    assert (answer.status, answer.body, answer.truncated) == (200, b"hello", False)
    assert answer.headers["x-path"] == "/in?q=1&r=%C3%A9"
    seen = peer.requests[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/in?q=1&r=%C3%A9", body)
    assert seen.headers["authorization"] == "Bearer x"
    assert seen.headers["host"] == f"{host.lower().replace('bücher', 'xn--bcher-kva')}:{peer.port}"
    assert seen.headers["user-agent"] == "stepIQ"


@pytest.mark.parametrize(
    ("allowlist", "host"),
    [
        ("127.0.0.1:1", "127.0.0.1"),
        ("n8n.corp.example:1", "n8n.corp.example"),
        ("*.corp.example", "corp.example"),
        ("corp.example", "n8n.corp.example"),
        ("*.corp.example", "evilcorp.example"),
        ("n8n.corp.example", "127.0.0.1"),
        ("10.0.0.0/8", "n8n.corp.example"),
        ("10.0.0.0/8", "localhost"),
        ("::1", "127.0.0.1"),
        ("127.0.0.0/8", "two-ways.example"),
    ],
)
async def test_the_allow_list_opens_no_more(
    allowlist: str, host: str, outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer
) -> None:
    for name in ("n8n.corp.example", "corp.example", "evilcorp.example"):
        names.point(name, ("127.0.0.1",))
    names.point("two-ways.example", ("127.0.0.1", "10.0.0.1"))
    with pytest.raises(OutboundRefused):
        await outbound_with(allowlist).send(OutboundRequest("GET", f"http://{host}:{peer.port}/"))
    assert peer.connections == 0


async def test_an_odd_port_is_open_only_where_the_whole_name_lies_in_a_range(names: Names, peer: HttpPeer) -> None:
    names.point("mixed.example", ("127.0.0.1", "93.184.216.34"))
    with pytest.raises(OutboundRefused, match=f"Port {peer.port}"):
        outbound = Outbound(parse_allowlist("127.0.0.0/8"), lookup=names)
        await outbound.send(OutboundRequest("GET", f"http://mixed.example:{peer.port}/"))
    assert peer.connections == 0


@pytest.mark.parametrize("allowlist", ["::1", "[::1]:PORT", "::1/128", "::/0"])
async def test_ipv6_addresses_are_opened_too(allowlist: str) -> None:
    async with HttpPeer(host="::1") as peer:
        outbound = Outbound(parse_allowlist(allowlist.replace("PORT", str(peer.port))))
        answer = await outbound.send(OutboundRequest("GET", f"http://[0:0::1]:{peer.port}/"))
        assert (answer.status, answer.hosts) == (200, ("::1",))
        assert peer.requests[0].headers["host"] == f"[::1]:{peer.port}"


@pytest.mark.parametrize("url", ["https://shop.example/", "http://shop.example:8080/", "https://shop.example:8443/"])
async def test_public_hosts_are_connected_to(url: str, names: Names, tried: list[str]) -> None:
    names.point("shop.example", ("93.184.216.34", "2606:4700::1111"))
    with pytest.raises(OutboundFailed) as failed:  # the tests' own guard lets nothing leave loopback
        await Outbound(lookup=names).send(OutboundRequest("GET", url))
    assert tried == ["93.184.216.34", "2606:4700::1111"]
    assert failed.value.retryable
    assert "shop.example" in failed.value.message


async def test_a_network_with_ipv6_only_reaches_public_sites_through_nat64(names: Names, tried: list[str]) -> None:
    names.point("shop.example", ("64:ff9b::5db8:d822",))
    with pytest.raises(OutboundFailed):
        await Outbound(lookup=names).send(OutboundRequest("GET", "https://shop.example/"))
    assert tried == ["64:ff9b::5db8:d822"]


async def test_the_next_address_is_tried_where_one_is_dead(names: Names, peer: HttpPeer) -> None:
    names.point("n8n.corp.example", ("::1", "127.0.0.1"))
    outbound = Outbound(parse_allowlist("n8n.corp.example"), lookup=names)
    answer = await outbound.send(OutboundRequest("GET", f"http://n8n.corp.example:{peer.port}/"))
    assert answer.status == 200


async def test_redirects_inside_the_allow_list_are_followed(names: Names, peer: HttpPeer) -> None:
    names.point("a.corp.example", ("127.0.0.1",))
    names.point("b.corp.example", ("127.0.0.1",))
    peer.redirect("/1", "2?x=1")
    peer.redirect("/2?x=1", f"http://b.corp.example:{peer.port}/3", 301)
    headers = {"Authorization": "Bearer s", "Cookie": "s=1", "X-Api-Key": "s", "X-Custom": "s", "Accept": "text/html"}
    request = OutboundRequest("GET", f"http://a.corp.example:{peer.port}/1", headers, follow_redirects=True)
    answer = await Outbound(parse_allowlist("*.corp.example"), lookup=names).send(request)
    assert (answer.status, answer.hosts) == (200, ("a.corp.example", "a.corp.example", "b.corp.example"))
    first, second, third = peer.requests
    for name in ("authorization", "cookie", "x-api-key", "x-custom"):
        assert name in first.headers
        assert name in second.headers
        assert name not in third.headers
    assert third.headers["accept"] == "text/html"
    assert third.headers["host"] == f"b.corp.example:{peer.port}"


async def test_credentials_do_not_come_back_after_a_detour(names: Names, peer: HttpPeer) -> None:
    names.point("a.corp.example", ("127.0.0.1",))
    names.point("b.corp.example", ("127.0.0.1",))
    peer.redirect("/1", f"http://b.corp.example:{peer.port}/2")
    peer.redirect("/2", f"http://a.corp.example:{peer.port}/3")
    request = OutboundRequest(
        "GET", f"http://a.corp.example:{peer.port}/1", {"Authorization": "s"}, follow_redirects=True
    )
    await Outbound(parse_allowlist("*.corp.example"), lookup=names).send(request)
    assert ["authorization" in seen.headers for seen in peer.requests] == [True, False, False]


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
async def test_a_redirect_changes_the_method_as_http_says(status: int, method: str, peer: HttpPeer) -> None:
    peer.redirect("/1", "/2", status)
    request = OutboundRequest(
        "POST", f"http://127.0.0.1:{peer.port}/1", {"Content-Type": "text/plain"}, b"body", follow_redirects=True
    )
    await Outbound(parse_allowlist("127.0.0.1")).send(request)
    seen = peer.requests[1]
    kept = method == "POST"
    assert (seen.method, seen.body, "content-type" in seen.headers) == (method, b"body" if kept else b"", kept)


async def test_a_body_is_not_carried_to_another_origin(names: Names, peer: HttpPeer) -> None:
    peer.redirect("/1", f"http://localhost:{peer.port}/2", 307)
    request = OutboundRequest("POST", f"http://127.0.0.1:{peer.port}/1", body=b"secret", follow_redirects=True)
    with pytest.raises(OutboundRefused):
        await Outbound(parse_allowlist("127.0.0.0/8")).send(request)
    assert len(peer.requests) == 1


async def test_redirects_are_not_followed_unless_asked_and_not_for_ever(peer: HttpPeer) -> None:
    outbound = Outbound(parse_allowlist("127.0.0.1"))
    peer.redirect("/loop", "/loop")
    url = f"http://127.0.0.1:{peer.port}/loop"
    answer = await outbound.send(OutboundRequest("GET", url))
    assert (answer.status, answer.headers["location"], len(peer.requests)) == (302, "/loop", 1)
    with pytest.raises(OutboundFailed, match="more than 3 times") as failed:
        await outbound.send(OutboundRequest("GET", url, follow_redirects=True, max_redirects=3))
    assert not failed.value.retryable
    assert len(peer.requests) == 5


async def test_large_bodies_arrive_whole_or_are_cut_at_the_limit(peer: HttpPeer) -> None:
    big = os.urandom(3_000_000)
    peer.answers["/big"] = (200, {}, big)
    outbound, url = Outbound(parse_allowlist("127.0.0.1")), f"http://127.0.0.1:{peer.port}/big"
    whole = await outbound.send(OutboundRequest("GET", url, max_bytes=3_000_000))
    assert (whole.body, whole.truncated) == (big, False)
    cut = await outbound.send(OutboundRequest("GET", url, max_bytes=2_999_999))
    assert (cut.body, cut.truncated) == (big[:-1], True)
    posted = await outbound.send(OutboundRequest("POST", f"http://127.0.0.1:{peer.port}/in", body=big))
    assert posted.status == 200
    assert peer.requests[-1].body == big


async def test_an_endless_body_is_left_at_the_limit(peer: HttpPeer) -> None:
    request = OutboundRequest("GET", f"http://127.0.0.1:{peer.port}/endless", max_bytes=100_000)
    answer = await Outbound(parse_allowlist("127.0.0.1")).send(request)
    assert (len(answer.body), answer.truncated) == (100_000, True)
    await asyncio.wait_for(peer.closed.wait(), 5)
    assert peer.sent_bytes < 20_000_000


@pytest.mark.parametrize("path", ["/silent", "/drip"])
async def test_a_slow_answer_ends_with_the_time(path: str, peer: HttpPeer) -> None:
    url = f"http://127.0.0.1:{peer.port}{path}"
    async with asyncio.timeout(10):
        with pytest.raises(OutboundTimeout) as late:
            await Outbound(parse_allowlist("127.0.0.1")).send(OutboundRequest("GET", url, timeout_seconds=1))
    assert (late.value.code, late.value.retryable) == ("OUTBOUND_TIMEOUT", True)
    await asyncio.wait_for(peer.closed.wait(), 5)


async def test_a_slow_look_up_ends_with_the_time() -> None:
    async def stall(host: str, port: int) -> tuple[()]:
        await asyncio.Event().wait()
        return ()

    request = OutboundRequest("GET", "https://shop.example/", timeout_seconds=0.1)
    async with asyncio.timeout(10):
        with pytest.raises(OutboundTimeout):
            await Outbound(lookup=stall).send(request)


async def test_cancelling_closes_the_connection(peer: HttpPeer) -> None:
    url = f"http://127.0.0.1:{peer.port}/drip"
    call = asyncio.create_task(Outbound(parse_allowlist("127.0.0.1")).send(OutboundRequest("GET", url)))
    await peer.arrived.wait()
    assert not peer.closed.is_set()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(peer.closed.wait(), 5)


@pytest.mark.parametrize(
    ("path", "text"), [("/gzip", b"squeezed " * 1000), ("/two-members", b"one two"), ("/raw-deflate", b"squeezed")]
)
async def test_compressed_answers_are_read(path: str, text: bytes, peer: HttpPeer) -> None:
    url = f"http://127.0.0.1:{peer.port}{path}"
    answer = await Outbound(parse_allowlist("127.0.0.1")).send(OutboundRequest("GET", url))
    assert (answer.body, answer.truncated) == (text, False)
    assert "content-encoding" not in answer.headers
    assert peer.requests[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_is_never_unpacked(encoding: str, peer: HttpPeer) -> None:
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(bytes(200_000_000), 9)
    peer.answers["/bomb"] = (200, {"Content-Encoding": encoding}, bomb)
    outbound, url = Outbound(parse_allowlist("127.0.0.1")), f"http://127.0.0.1:{peer.port}/bomb"
    await outbound.send(OutboundRequest("GET", url, max_bytes=1))
    tracemalloc.start()
    try:
        answer = await outbound.send(OutboundRequest("GET", url, max_bytes=1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(answer.body), answer.truncated) == (1_000_000, True)
    assert peak < 8_000_000


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "compress"])
async def test_encodings_that_were_not_asked_for_are_an_error(encoding: str, peer: HttpPeer) -> None:
    peer.answers["/odd"] = (200, {"Content-Encoding": encoding}, gzip.compress(gzip.compress(b"x")))
    with pytest.raises(OutboundFailed):
        url = f"http://127.0.0.1:{peer.port}/odd"
        await Outbound(parse_allowlist("127.0.0.1")).send(OutboundRequest("GET", url))


@pytest.mark.parametrize("path", ["/cut-gzip", "/short"])
async def test_a_body_that_breaks_off_is_an_error(path: str, peer: HttpPeer) -> None:
    with pytest.raises(OutboundFailed) as failed:
        url = f"http://127.0.0.1:{peer.port}{path}"
        await Outbound(parse_allowlist("127.0.0.1")).send(OutboundRequest("GET", url))
    assert failed.value.retryable


async def test_no_connection_and_no_such_host_can_be_tried_again(names: Names, unused_port: int) -> None:
    outbound = Outbound(parse_allowlist("127.0.0.1"), lookup=names)
    for url in (f"http://127.0.0.1:{unused_port}/s3cret?k=s3cret", "https://nowhere.example/s3cret?k=s3cret"):
        with pytest.raises(OutboundFailed) as failed:
            await outbound.send(OutboundRequest("GET", url))
        assert (failed.value.code, failed.value.retryable) == ("OUTBOUND_FAILED", True)
        assert "s3cret" not in failed.value.message
        assert failed.value.__context__ is None or "s3cret" not in repr(failed.value.__context__)


async def test_proxies_of_the_environment_are_not_used(peer: HttpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with HttpPeer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        await Outbound(parse_allowlist("127.0.0.1")).send(OutboundRequest("GET", f"http://127.0.0.1:{peer.port}/"))
        assert (peer.connections, proxy.connections) == (1, 0)


def test_it_works_on_one_event_loop_after_another(names: Names) -> None:
    outbound = Outbound(parse_allowlist("127.0.0.1"))

    async def once() -> int:
        async with HttpPeer() as peer:
            return (await outbound.send(OutboundRequest("GET", f"http://127.0.0.1:{peer.port}/"))).status

    assert [asyncio.run(once()) for _ in range(2)] == [200, 200]


async def test_the_runtime_reads_the_setting(runtime_with: Callable[..., Runtime], peer: HttpPeer) -> None:
    url = f"http://127.0.0.1:{peer.port}/"
    with pytest.raises(OutboundRefused):
        await runtime_with().outbound.send(OutboundRequest("GET", url))
    opened = runtime_with(outbound_allowlist="n8n.corp.example, 127.0.0.0/8")
    assert (await opened.outbound.send(OutboundRequest("GET", url))).status == 200


async def test_the_system_resolver_is_used_by_default(peer: HttpPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = socket.getaddrinfo

    def lookup(host: str, port: int, **options: int) -> object:
        asked.append(host)
        return original("127.0.0.1", port, **options)

    monkeypatch.setattr("core.platform.outbound.lookup.socket.getaddrinfo", lookup)
    outbound = Outbound(parse_allowlist("n8n.corp.example"))
    answer = await outbound.send(OutboundRequest("GET", f"http://n8n.corp.example:{peer.port}/"))
    assert (answer.status, asked) == (200, ["n8n.corp.example"])
