"""Reading an address in exactly one way, so that what is judged is what is reached.

Parsers disagree about backslashes, credentials before `@`, numbers as IPv4 (`0x7f.1`, `2130706433`, `017700000001`)
and characters that normalise to others (`①②⑦`). Whatever can be read in two ways is refused; what is left is
rebuilt from its parts. No lookup happens here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

from core.platform.outbound.errors import OutboundRefused

Address = IPv4Address | IPv6Address
PORTS = {"http": 80, "https": 443}
MAX_URL = 8_000
MAX_HOST = 253
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_URL = re.compile(r"//(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is lower-case ASCII without brackets; `address` is set when it is a literal."""

    scheme: str
    host: str
    port: int
    address: Address | None = None
    rest: str = field(default="/", repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The address, rebuilt from its parts. It may hold secrets: never shown or logged."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.rest}"


def read_target(url: str) -> Target:
    """The target of an absolute http(s) address. Raises OutboundRefused."""
    if len(url) > MAX_URL:
        raise OutboundRefused(f"The address is longer than {MAX_URL} characters. Send long values in the body.")
    if _UNSAFE.search(url):
        raise OutboundRefused(
            "The address holds a space, a backslash or a control character. Write it percent-encoded."
        )
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() not in PORTS:
        raise OutboundRefused("Only http and https addresses are reached. Begin the address with https://.")
    parts = _URL.fullmatch(url, scheme.end())
    if parts is None or not parts["authority"]:
        raise OutboundRefused("The address has no host. Write it like https://example.org/path.")
    if "@" in parts["authority"]:
        raise OutboundRefused("The address holds a name or password before @. Send credentials in a header.")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise OutboundRefused("The host or port of the address cannot be read. Write it like https://example.org/path.")
    host, address = read_host(authority["host"])
    name = scheme[1].lower()
    port = int(authority["port"]) if authority["port"] else PORTS[name]
    if not 0 < port < 65536:
        raise OutboundRefused("The port of the address is not between 1 and 65535.")
    rest = parts["rest"]
    return Target(name, host, port, address, rest if rest.startswith("/") else f"/{rest}")


def read_host(written: str) -> tuple[str, Address | None]:
    """A host in its one spelling, and its address where it is a literal. Raises OutboundRefused."""
    if written.startswith("["):
        try:
            address: Address = IPv6Address(written[1:-1] if written.endswith("]") else "")
        except ValueError:
            raise OutboundRefused("The address in brackets is not an IPv6 address.") from None
        return str(address), address
    host = written.lower()
    if len(host) > MAX_HOST:
        raise OutboundRefused("The host is longer than a name can be (253 characters).")
    if not host.isascii():
        host = _to_ascii(host)
    if host.endswith("."):
        raise OutboundRefused("The host ends with a dot. Write it without.")
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):  # a number at the end makes it an IPv4 address (WHATWG URL, host parsing)
        try:
            address = ip_address(host)
        except ValueError:
            raise OutboundRefused("The host is a number in disguise. Write IPv4 addresses as four decimals.") from None
        return str(address), address
    if not all(_LABEL.fullmatch(label) for label in labels) or len(host) > MAX_HOST:
        raise OutboundRefused("The host is not a well-formed name: letters, digits, hyphens and dots only.")
    return host, None


def _to_ascii(host: str) -> str:
    """An international name as A-labels (RFC 5891), which has no place for characters that stand for others."""
    try:
        return idna.encode(host).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise OutboundRefused("The host is not a well-formed international name. Write it in plain letters.") from None
