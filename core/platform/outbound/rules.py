"""Whether a target may be reached: once before any lookup, and again for every address found.

- Public hosts: ports 80, 443, 8080 and 8443. Other ports of public hosts are mail, databases and the like, which
  a request can be made to speak to.
- A host that the operator's list names: any port (or the entry's), any address except those that are never open.
- An address inside a range of the list: any port. A name of the local network, or another port, is only followed
  when every address found lies in such a range.
- All addresses of a name must be allowed. A name that leads to an allowed and a refused one is how rebinding
  looks, so it is refused whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from core.platform.outbound.allowlist import AllowEntry, HostPattern
from core.platform.outbound.blocks import is_local_name, is_metadata_name, is_never_open, is_public
from core.platform.outbound.errors import OutboundRefused
from core.platform.outbound.targets import Address, Target

PUBLIC_PORTS = frozenset({80, 443, 8080, 8443})
_LOCALHOST = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


@dataclass(frozen=True, slots=True)
class TargetRules:
    """The operator's list over the built-in rules."""

    entries: tuple[AllowEntry, ...] = ()
    public_ports: frozenset[int] = PUBLIC_PORTS

    def check_target(self, target: Target, narrowed_to: tuple[HostPattern, ...] | None = None) -> None:
        """Judge what was written, without a lookup. Raises OutboundRefused."""
        if narrowed_to is not None and not any(pattern.matches(target) for pattern in narrowed_to):
            raise OutboundRefused(f"{target.host} is not on this step's network_allowlist. Add it there to reach it.")
        if is_metadata_name(target.host):
            raise OutboundRefused(f"{target.host} is a metadata service, which is never reached.")
        if target.address is not None:
            self.check_addresses(target, (target.address,))
        elif not self._opens_host(target) and not self._has_ranges():
            self._check_name_and_port(target)

    def check_addresses(self, target: Target, addresses: tuple[Address, ...]) -> None:
        """Judge where a target leads. Raises OutboundRefused unless every address is allowed."""
        if any(is_never_open(address) for address in addresses):
            raise OutboundRefused(f"{_shown(target)} is a metadata, link-local or reserved address: never reached.")
        if self._opens_host(target):
            return
        outside = [address for address in addresses if not self._opens_address(address, target.port)]
        if not outside:
            return
        if not all(is_public(address) for address in outside):
            raise OutboundRefused(
                f"{_shown(target)} is a private address. An operator can open it with OUTBOUND_ALLOWLIST."
            )
        self._check_name_and_port(target)

    def may_be_private(self, target: Target) -> bool:
        """Whether the operator's list opens the host as written, or may open what it leads to."""
        if target.address is not None:
            return self._opens_address(target.address, target.port)
        return self._opens_host(target) or (is_local_name(target.host) and self._has_ranges())

    def local_addresses(self, target: Target) -> tuple[Address, ...] | None:
        """The addresses of `localhost`, which is never looked up (RFC 6761, section 6.3): the allowed ones, if any."""
        if target.host != "localhost" and not target.host.endswith(".localhost"):
            return None
        opened = tuple(address for address in _LOCALHOST if self._opens_address(address, target.port))
        return opened or _LOCALHOST

    def _check_name_and_port(self, target: Target) -> None:
        if target.address is None and is_local_name(target.host):
            raise OutboundRefused(
                f"{target.host} is a name of the local network. An operator can open it with OUTBOUND_ALLOWLIST."
            )
        if target.port not in self.public_ports:
            ports = ", ".join(str(port) for port in sorted(self.public_ports))
            raise OutboundRefused(
                f"Port {target.port} is not reached. Use {ports}, or ask an operator to open "
                f"{target.host} with OUTBOUND_ALLOWLIST."
            )

    def _opens_host(self, target: Target) -> bool:
        return any(entry.names(target) for entry in self.entries)

    def _opens_address(self, address: Address, port: int) -> bool:
        return any(entry.holds(address, port) for entry in self.entries)

    def _has_ranges(self) -> bool:
        return any(entry.network is not None for entry in self.entries)


def _shown(target: Target) -> str:
    """The host in words. Addresses found by a lookup are not told: they map the operator's network."""
    return target.host if target.address is not None else f"What {target.host} leads to"
