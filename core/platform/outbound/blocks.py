"""Names and addresses that outbound HTTP does not reach.

The ranges are ssrfguard's transcription of the IANA special-purpose registries (RFC 6890). On top: what no setting
can open, because nothing but an attack goes there.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from ssrfguard import DEFAULT_DENIED

from core.platform.outbound.targets import Address

_METADATA_NAMES = (
    "metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal", "metadata.azure.com",
    "metadata.internal", "metadata.tencentyun.com", "metadata.packet.net", "metadata.platformequinix.com",
    "metadata.ec2.internal", "instance-data", "instance-data.ec2.internal", "instance-data.amazonaws.com",
)  # fmt: skip
# Resolved by search domains, hosts files or multicast: never a public site (RFC 6761, 6762, 8375; ICANN's .internal).
_LOCAL_SUFFIXES = (
    "localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa",
    "svc", "cluster.local", "onion", "test", "invalid",
)  # fmt: skip
# 6to4, Teredo, mapped, compatible and SIIT addresses carry an IPv4 address past a check of the outer one, and
# no public site lives there. NAT64's well-known prefix is different: a machine with IPv6 only reaches every
# IPv4 site through it, so it is judged by the address inside (RFC 6052).
_NEVER = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
        "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
        "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::/32", "fd20:ce::254/128",
        "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
    )
)  # fmt: skip
_NAT64 = IPv6Network("64:ff9b::/96")
_LOOPBACK = IPv6Address("::1")  # inside ::/96, but its own block
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all of IPv6 that IANA has given out to networks


def is_metadata_name(host: str) -> bool:
    """Whether the host names a cloud's metadata service."""
    return host in _METADATA_NAMES


def is_local_name(host: str) -> bool:
    """Whether the host can only mean something on a local network: one label, or a special-use name."""
    return "." not in host or any(host == suffix or host.endswith("." + suffix) for suffix in _LOCAL_SUFFIXES)


def is_never_open(address: Address) -> bool:
    """Whether no setting opens this address."""
    if address == _LOOPBACK:
        return False
    if address in _NAT64:
        return not is_public(address)
    return any(address in block for block in _NEVER)


def network_is_never_open(network: IPv4Network | IPv6Network) -> bool:
    """Whether the whole range is never open, so that an entry for it would do nothing."""
    if network.network_address == _LOOPBACK and network.num_addresses == 1:
        return False
    return any(_inside(network, block) for block in _NEVER)


def is_public(address: Address) -> bool:
    """Whether the address is an ordinary one of the public internet."""
    if DEFAULT_DENIED.classify(address).blocked:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in block for block in _NEVER)


def _inside(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)
