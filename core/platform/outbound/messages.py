"""What is sent and what comes back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from core.platform.outbound.errors import OutboundRefused

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
USER_AGENT = "stepIQ"
# Set by the connection itself. A Host of the caller's could name another site behind a checked address.
CONNECTION_HEADERS = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# All that another origin gets to see after a redirect: any other header may be a credential.
PLAIN_HEADERS = frozenset({"accept", "accept-language", "content-language", "content-type", "user-agent"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """A request to send.

    `timeout_seconds` bounds everything: lookup, connection, redirects, the last byte of the answer.
    `max_bytes` bounds the decoded answer. `network_allowlist` (host names, `*.example.org`) narrows what
    may be reached and never widens it; None narrows nothing, an empty one allows nothing.
    `on_send` is told of each host that is about to get a request, after it was judged and looked up, and waited for.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0
    max_bytes: int = 1_000_000
    follow_redirects: bool = False
    max_redirects: int = 5
    network_allowlist: tuple[str, ...] | None = None
    on_send: Callable[[str], Awaitable[None]] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """An answer. Header names are in lower case; `body` is decoded (gzip, deflate).

    `truncated`: the body was longer than `max_bytes` and the rest was not read. `hosts`: every host that
    got a request, in order; more than one after redirects.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool
    hosts: tuple[str, ...]


def checked_method(method: str) -> str:
    """The method in upper case. Raises OutboundRefused."""
    if method.upper() not in METHODS:
        raise OutboundRefused(f"This HTTP method is not sent. Use one of {', '.join(sorted(METHODS))}.")
    return method.upper()


def checked_headers(headers: Mapping[str, str]) -> dict[str, bytes]:
    """Headers by lower-case name, ready for the wire. Raises OutboundRefused (RFC 9110, sections 5.1 and 5.5)."""
    checked: dict[str, bytes] = {}
    for name, value in headers.items():
        lower = name.lower()
        if not _TOKEN.fullmatch(name) or _BREAKS_A_HEADER.search(value):
            raise OutboundRefused(
                "A header has a name or a value that HTTP does not allow. Remove line breaks from it."
            )
        if lower in CONNECTION_HEADERS:
            raise OutboundRefused(f"The header {lower} is set by the connection itself. Remove it.")
        checked[lower] = value.strip().encode()
    checked.setdefault("user-agent", USER_AGENT.encode())
    checked.setdefault("accept", b"*/*")
    return checked


def after_redirect(
    status: int, method: str, headers: Mapping[str, bytes], body: bytes | None, *, same_origin: bool
) -> tuple[str, dict[str, bytes], bytes | None]:
    """Method, headers and body of the next hop (RFC 9110, section 15.4).

    Another origin gets only headers that cannot be credentials, and never a body: that raises OutboundRefused.
    """
    becomes_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")
    kept = {name: value for name, value in headers.items() if same_origin or name in PLAIN_HEADERS}
    if becomes_get:
        return "GET", {name: value for name, value in kept.items() if not name.startswith("content-")}, None
    if body and not same_origin:
        raise OutboundRefused("The answer redirects the body to another host. Enter that host's address instead.")
    return method, kept, body
