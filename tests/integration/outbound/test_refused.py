"""What must not be reached is not: no connection is made, and nothing is looked up that says so itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.platform.outbound import Outbound, OutboundFailed, OutboundRefused, OutboundRequest
from tests.integration.outbound.conftest import Names
from tests.support.http_peer import HttpPeer

# PORT is that of a listening socket on 127.0.0.1, so that any of these that got through would be seen there.
SPELLINGS = [
    "http://127.0.0.1:PORT/",
    "http://127.0.0.2:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0.0.0x1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://127.000.000.001:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127\u30020\u30020\u30021:PORT/",
    "http://\uff11\uff12\uff17.0.0.1:PORT/",
    "http://127.0.0.1\u200b:PORT/",
    "http://local\u00adhost:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://sub.localhost:PORT/",
    "http://localhost.localdomain:PORT/",
    "http://%6cocalhost:PORT/",
    "http://127.0.0.1%2f@example.org:PORT/",
    "http://example.org@127.0.0.1:PORT/",
    "http://user:secret@example.org:PORT/",
    "http://example.org\\@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://exam\nple.org:PORT/",
    " http://127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::a9fe:a9fe]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[64:ff9b:1::808:808]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:a9fe:a9fe::1]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[2001::80ff:fffe]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://[fd12:3456:789a::1]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25eth0]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[ff02::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/",
    "http://[4000::1]:PORT/",
    "http://10.0.0.1:PORT/",
    "http://172.16.0.1:PORT/",
    "http://172.31.255.255:PORT/",
    "http://192.168.1.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://169.254.1.1:PORT/",
    "http://169.254.169.254:PORT/latest/meta-data/",
    "http://2852039166:PORT/latest/meta-data/",
    "http://0xA9FEA9FE:PORT/latest/meta-data/",
    "http://169.254.170.2:PORT/",
    "http://100.100.100.200:PORT/",
    "http://168.63.129.16:PORT/",
    "http://192.0.0.192:PORT/",
    "http://198.18.0.1:PORT/",
    "http://192.0.2.1:PORT/",
    "http://224.0.0.1:PORT/",
    "http://240.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://metadata.google.internal:PORT/computeMetadata/v1/",
    "http://METADATA.google.internal.:PORT/",
    "http://metadata.goog:PORT/",
    "http://metadata:PORT/",
    "http://instance-data:PORT/",
    "http://instance-data.ec2.internal:PORT/",
    "http://metadata.azure.internal:PORT/",
    "http://kubernetes.default.svc:PORT/",
    "http://printer.local:PORT/",
    "http://intranet:PORT/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_x",
    "dict://127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "data:text/plain,hello",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1:PORT/",
    "http://",
    "http://:PORT/",
    "http://example.org:99999/",
    "http://example.org:0/",
    "http://example.org:8x/",
    "http://[::1/",
    "http://-example.org:PORT/",
    "http://a..b.org:PORT/",
    "http://a_b.example.org:PORT/",
    "http://" + "a" * 64 + ".org:PORT/",
    "http://example.org:PORT/" + "a" * 9_000,
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_spellings_are_refused_without_lookup_or_connection(
    spelling: str, outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    with pytest.raises(OutboundRefused) as refused:
        await outbound_with().send(OutboundRequest("GET", spelling.replace("PORT", str(peer.port))))
    assert refused.value.code == "OUTBOUND_REFUSED"
    assert not refused.value.retryable
    assert (peer.connections, tried, names.asked) == (0, [], [])


async def test_the_refusal_says_what_to_write_instead(outbound_with: Callable[..., Outbound]) -> None:
    for url, advice in (
        ("http://example.org./", "ends with a dot"),
        ("http://a@example.org/", "in a header"),
        ("http://0x7f.1/", "four decimals"),
        ("ftp://example.org/", "https://"),
        ("http://10.0.0.1/", "OUTBOUND_ALLOWLIST"),
    ):
        with pytest.raises(OutboundRefused, match=advice):
            outbound_with().check_url(url)


async def test_what_is_refused_would_have_been_seen(
    outbound_with: Callable[..., Outbound], peer: HttpPeer, tried: list[str]
) -> None:
    await outbound_with("127.0.0.1").send(OutboundRequest("GET", f"http://127.0.0.1:{peer.port}/"))
    assert (peer.connections, tried) == (1, ["127.0.0.1"])


PRIVATE_ANSWERS = [
    ("127.0.0.1",), ("::1",), ("10.1.2.3",), ("192.168.0.9",), ("169.254.169.254",), ("100.64.7.7",), ("0.0.0.0",),
    ("fd00::5",), ("fe80::5",), ("::ffff:127.0.0.1",), ("64:ff9b::7f00:1",), ("64:ff9b:1::1",), ("2002:7f00:1::",),
    ("93.184.216.34", "127.0.0.1"), ("127.0.0.1", "93.184.216.34"), ("2606:4700::1111", "fd00::5"),
]  # fmt: skip


@pytest.mark.parametrize("answer", PRIVATE_ANSWERS, ids=",".join)
async def test_a_public_name_that_leads_inside_is_refused(
    answer: tuple[str, ...], outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    names.point("innocent.example", answer)
    with pytest.raises(OutboundRefused) as refused:
        await outbound_with().send(OutboundRequest("GET", f"http://innocent.example:{peer.port}/"))
    assert not any(address in refused.value.message for address in answer)
    assert (peer.connections, tried, names.asked) == (0, [], ["innocent.example"])


async def test_a_name_that_moves_after_the_check_is_connected_where_it_was_checked(
    outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    names.point("moving.example", ("93.184.216.34",), ("127.0.0.1",))
    with pytest.raises(OutboundFailed):  # the tests' own guard lets nothing leave loopback
        await outbound_with().send(OutboundRequest("GET", f"http://moving.example:{peer.port}/"))
    assert (peer.connections, tried, names.asked) == (0, ["93.184.216.34"], ["moving.example"])


async def test_a_name_that_moves_before_a_redirect_to_itself_is_checked_again(
    outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    names.point("moving.example", ("127.0.0.1",), ("127.0.0.9",))
    peer.redirect("/a", "/b")
    with pytest.raises(OutboundRefused):
        url = f"http://moving.example:{peer.port}/a"
        await outbound_with("127.0.0.1").send(OutboundRequest("GET", url, follow_redirects=True))
    assert tried == ["127.0.0.1"]
    assert [request.path for request in peer.requests] == ["/a"]


REDIRECTS = [
    "http://127.0.0.2:PORT/in",
    "http://2130706434:PORT/in",
    "//127.0.0.2:PORT/in",
    "http://[::ffff:127.0.0.1]:PORT/in",
    "http://[::1]:PORT/in",
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://user@127.0.0.1:PORT/in",
    "http://inside.example:PORT/in",
    "http://localhost:PORT/in",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_in",
    "javascript:alert(1)",
    "/in\\..\\x",
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", REDIRECTS)
async def test_redirects_are_judged_like_the_first_address(
    to: str, status: int, outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    names.point("door.example", ("127.0.0.1",))
    names.point("inside.example", ("127.0.0.2",))
    peer.redirect("/door", to.replace("PORT", str(peer.port)), status)
    request = OutboundRequest("GET", f"http://door.example:{peer.port}/door", follow_redirects=True)
    with pytest.raises(OutboundRefused):
        await outbound_with("door.example").send(request)
    assert [seen.path for seen in peer.requests] == ["/door"]
    assert (peer.connections, tried) == (1, ["127.0.0.1"])


async def test_a_redirect_through_an_open_host_cannot_be_chained_inside(
    outbound_with: Callable[..., Outbound], names: Names, peer: HttpPeer, tried: list[str]
) -> None:
    names.point("door.example", ("127.0.0.1",))
    peer.redirect("/1", "/2")
    peer.redirect("/2", "/3", 307)
    peer.redirect("/3", f"http://127.0.0.3:{peer.port}/in", 308)
    request = OutboundRequest("GET", f"http://door.example:{peer.port}/1", follow_redirects=True)
    with pytest.raises(OutboundRefused):
        await outbound_with("door.example").send(request)
    assert [seen.path for seen in peer.requests] == ["/1", "/2", "/3"]
    assert set(tried) == {"127.0.0.1"}


@pytest.mark.parametrize("url", ["https://shop.example:22/", "http://shop.example:6379/", "https://shop.example:25/"])
async def test_other_ports_of_public_hosts_are_refused_before_the_lookup(
    url: str, names: Names, tried: list[str]
) -> None:
    names.point("shop.example", ("93.184.216.34",))
    with pytest.raises(OutboundRefused, match="OUTBOUND_ALLOWLIST"):
        await Outbound(lookup=names).send(OutboundRequest("GET", url))
    assert (tried, names.asked) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://100.100.100.200/",
        "http://0.0.0.0/",
        "http://[2002:a9fe:a9fe::]/",
    ],
)
async def test_no_allow_list_opens_metadata(
    url: str, outbound_with: Callable[..., Outbound], names: Names, tried: list[str]
) -> None:
    everything = "0.0.0.0/0, ::/0, *.internal"
    with pytest.raises(OutboundRefused):
        await outbound_with(everything).send(OutboundRequest("GET", url))
    assert (tried, names.asked) == ([], [])


async def test_an_open_name_that_leads_to_metadata_is_refused(
    outbound_with: Callable[..., Outbound], names: Names, tried: list[str]
) -> None:
    names.point("n8n.corp.example", ("169.254.169.254",))
    with pytest.raises(OutboundRefused):
        await outbound_with("n8n.corp.example").send(OutboundRequest("GET", "http://n8n.corp.example/"))
    assert tried == []


async def test_messages_hold_no_path_query_or_header(outbound_with: Callable[..., Outbound], peer: HttpPeer) -> None:
    url = f"http://10.0.0.1:{peer.port}/hook-s3cret?token=s3cret"
    with pytest.raises(OutboundRefused) as refused:
        await outbound_with().send(OutboundRequest("GET", url, {"Authorization": "Bearer s3cret"}))
    assert "s3cret" not in f"{refused.value!r}{refused.value}{refused.value.context}"
    assert "OUTBOUND_ALLOWLIST" in refused.value.message
    assert refused.value.__cause__ is None
    request = OutboundRequest("GET", url, {"Authorization": "Bearer s3cret"}, b"s3cret")
    assert "s3cret" not in repr(request)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "inside.example"},
        {"Transfer-Encoding": "chunked"},
        {"content-length": "3"},
        {"Proxy-Authorization": "Basic x"},
        {"X-A": "1\r\nX-B: 2"},
        {"X-A\r\nX-B": "1"},
        {"": "1"},
        {"X A": "1"},
    ],
)
async def test_headers_of_the_connection_and_broken_ones_are_refused(
    headers: dict[str, str], outbound_with: Callable[..., Outbound], peer: HttpPeer
) -> None:
    with pytest.raises(OutboundRefused):
        await outbound_with("127.0.0.1").send(OutboundRequest("GET", f"http://127.0.0.1:{peer.port}/", headers))
    assert peer.connections == 0
