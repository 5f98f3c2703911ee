"""One request and its answer, over a connection to an address that was checked."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network

import httpx
from ssrfguard import Policy, SSRFGuardError
from ssrfguard.httpx import AsyncSafeTransport

from core.platform.outbound.blocks import is_public
from core.platform.outbound.decoding import BodyDecoder, BrokenBody
from core.platform.outbound.errors import OutboundFailed, OutboundRefused, OutboundTimeout
from core.platform.outbound.targets import MAX_URL, Address, Target

CONNECT_SECONDS = 10.0
_Found = tuple[int, int, int, str, tuple[object, ...]]  # an answer of getaddrinfo
_CODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `location` is set when it is a redirect to follow, and then no body was read."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    truncated: bool = False
    location: str | None = None


async def exchange(
    target: Target,
    addresses: tuple[Address, ...],
    *,
    method: str,
    headers: dict[str, bytes],
    body: bytes | None,
    ssl_context: ssl.SSLContext,
    max_bytes: int,
    stop_at: frozenset[int],
) -> Answer:
    """Send to one of the checked addresses; the name stays in Host and SNI, and the certificate must carry it.

    `stop_at`: statuses whose Location is returned instead of a body. Raises OutboundError.
    """
    request = httpx.Request(
        method,
        httpx.URL(target.url),
        headers=[(name.encode(), value) for name, value in headers.items()] + [(b"accept-encoding", b"gzip, deflate")],
        content=body,
        extensions={"timeout": {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}},
    )
    if request.url.raw_host.decode().strip("[]") != target.host:
        raise OutboundRefused("The address can be read in two ways. Write it plainly.")
    transport = AsyncSafeTransport(
        policy=_policy(target, addresses),
        resolver=_pinned(target, addresses),
        verify=ssl_context,
        trust_env=False,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
    )
    try:
        response = await transport.handle_async_request(request)
        location = response.headers.get("location") if response.status_code in stop_at else None
        if location is not None:
            return Answer(response.status_code, {}, location=location)
        content, truncated = await _read(response, max_bytes)
        kept = {name.lower(): value for name, value in response.headers.items() if name.lower() not in _CODED}
        return Answer(response.status_code, kept, content, truncated)
    except SSRFGuardError:
        problem: Exception = OutboundRefused(f"{target.host} led to an address that is not allowed.")
    except httpx.TimeoutException:
        problem = OutboundTimeout(f"{target.host} could not be connected to in time. Try again later.")
    except (httpx.TransportError, BrokenBody) as error:
        problem = _failure(target, error)
    finally:
        await transport.aclose()
    raise problem  # out here, so that no traceback leads to the request and its secrets


def _policy(target: Target, addresses: tuple[Address, ...]) -> Policy:
    """ssrfguard's own table, opened only for the very addresses that the operator's list opened."""
    opened = [str(address) for address in addresses if not is_public(address)]
    return Policy(
        allowed_ports=frozenset({target.port}),
        allowed_networks=tuple(ip_network(address) for address in opened),
        max_url_length=MAX_URL * 9 + 300,  # each character of the path may become `%xx` of three bytes
    )


def _pinned(target: Target, addresses: tuple[Address, ...]) -> Callable[..., Iterable[_Found]]:
    """A resolver that knows only what was checked, so that the name is looked up once."""

    def answer(*_: object) -> Iterable[_Found]:
        for address in addresses:
            if isinstance(address, IPv6Address):
                yield socket.AF_INET6, socket.SOCK_STREAM, 6, "", (str(address), target.port, 0, 0)
            else:
                yield socket.AF_INET, socket.SOCK_STREAM, 6, "", (str(address), target.port)

    return answer


async def _read(response: httpx.Response, max_bytes: int) -> tuple[bytes, bool]:
    decoder = BodyDecoder(response.headers.get("content-encoding", ""), max_bytes)
    async for chunk in response.aiter_raw():
        decoder.feed(chunk)
        if decoder.truncated:
            return decoder.content, True
    return decoder.finish(), False


def _failure(target: Target, error: Exception) -> OutboundFailed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OutboundFailed(
                f"The certificate of {target.host} is not valid for it ({cause.verify_message}). It must be renewed "
                "or trusted by this machine.",
                retryable=False,
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return OutboundFailed(f"There was no connection to {target.host}. Check the address, or try again later.")
    return OutboundFailed(f"The answer of {target.host} broke off or is not HTTP. Try again later.")
