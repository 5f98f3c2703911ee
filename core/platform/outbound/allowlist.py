"""Lists of hosts: what the operator opens (`OUTBOUND_ALLOWLIST`), and what an agent is kept to.

`OUTBOUND_ALLOWLIST` holds, separated by commas: host names (`n8n.corp.example`), names with a wildcard
(`*.corp.example`: every name below, not the name itself), addresses, each of them optionally with a port
(`localhost:9000`, `[::1]:9000`), and ranges (`10.0.0.0/8`). Without a port every port is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from core.platform.outbound.blocks import is_metadata_name, network_is_never_open
from core.platform.outbound.errors import OutboundRefused
from core.platform.outbound.targets import Address, Target, read_host

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class HostPattern:
    """A host, or with `wildcard` every name below it."""

    host: str
    wildcard: bool = False

    def matches(self, target: Target) -> bool:
        """Whether the host as written is this one. No name ends like an address, so no wildcard matches one."""
        return target.host.endswith("." + self.host) if self.wildcard else target.host == self.host


@dataclass(frozen=True, slots=True)
class AllowEntry:
    """One entry of the operator's list: a host pattern, or a range of addresses."""

    pattern: HostPattern | None = None
    network: Network | None = None
    port: int | None = None

    def names(self, target: Target) -> bool:
        """Whether the entry opens this target by its written host."""
        return self.pattern is not None and self.port in (None, target.port) and self.pattern.matches(target)

    def holds(self, address: Address, port: int) -> bool:
        """Whether the entry opens this address."""
        return self.network is not None and self.port in (None, port) and address in self.network


def parse_allowlist(text: str) -> tuple[AllowEntry, ...]:
    """The entries of the setting. Raises ValueError that names the wrong entry."""
    return tuple(_entry(part.strip()) for part in text.split(",") if part.strip())


def parse_host_patterns(patterns: Iterable[str]) -> tuple[HostPattern, ...]:
    """An agent's list: host names, addresses, `*.example.org`. Raises ValueError that names the wrong one."""
    return tuple(_pattern(pattern.strip(), pattern) for pattern in patterns)


def _entry(text: str) -> AllowEntry:
    if "/" in text:
        try:
            network = ip_network(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a range such as 10.0.0.0/8") from None
        return AllowEntry(network=_openable(network, text))
    host, port = text, None
    bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
    if not bare_ipv6 and ":" in text.rpartition("]")[2]:
        host, _, digits = text.rpartition(":")
        if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 65536:
            raise ValueError(f"{text!r} has no port between 1 and 65535 after its colon")
        port = int(digits)
    pattern = _pattern(f"[{host}]" if bare_ipv6 else host, text)
    if is_metadata_name(pattern.host):
        raise ValueError(f"{text!r} is a metadata service, which is never reached")
    if not pattern.wildcard:
        try:
            network = ip_network(pattern.host)
        except ValueError:
            return AllowEntry(pattern, port=port)
        return AllowEntry(network=_openable(network, text), port=port)
    return AllowEntry(pattern, port=port)


def _openable(network: Network, text: str) -> Network:
    if network_is_never_open(network):
        raise ValueError(f"{text!r} is a metadata, link-local, multicast or translated range, which is never reached")
    return network


def _pattern(text: str, written: str) -> HostPattern:
    wildcard = text.startswith("*.")
    try:
        host, address = read_host(text[2:] if wildcard else _bracketed(text))
    except OutboundRefused as problem:
        raise ValueError(f"{written!r} is not a host name: {problem.message}") from None
    if wildcard and address is not None:
        raise ValueError(f"{written!r} puts a wildcard before an address")
    return HostPattern(host, wildcard)


def _bracketed(text: str) -> str:
    try:
        IPv6Address(text)
    except ValueError:
        return text
    return f"[{text}]"
