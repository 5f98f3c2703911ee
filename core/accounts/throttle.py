"""How often signing in may be tried, so that neither guessing pays nor a stranger can lock somebody out.

Three counts, each in windows of 15 minutes:

- an address from one client: 10, so that one guesser stops early and hinders nobody else;
- failures of one client, at any addresses: 50, so that trying one password on many people stops as well;
- failures at an address from anywhere: 100, for guessers with many clients. It does not count where the person has
  signed in before: from there they get in whatever strangers do.

A client is its network address, an IPv6 one by its first 64 bits. Loopback is no client: a proxy that is not named
in STEPIQ_TRUSTED_PROXIES looks like that, and stands for everybody.
"""

from ipaddress import IPv6Address, IPv6Network, ip_address

from core.platform.ratelimits import count_try, forget_tries, is_remembered, remember, take_back_try
from core.platform.runtime import Runtime

WINDOW = 15 * 60
PER_PAIR, PER_CLIENT, PER_ADDRESS = 10, 50, 100


def client_network(host: str | None) -> str:
    """What of a client's address is counted; empty where nobody can be told apart by it."""
    try:
        address = ip_address((host or "").split("%", 1)[0])
    except ValueError:
        return (host or "")[:100]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return "" if address.is_loopback else str(IPv6Network((address, 64), strict=False))
        address = address.ipv4_mapped
    return "" if address.is_loopback else str(address)


def admit_try(runtime: Runtime, address: str, client: str) -> None:
    """Count a try before the password is looked at. Raises LimitExceeded with the seconds to wait."""
    pair = _pair(address, client)
    count_try(runtime, "sign-in", pair, limit=PER_PAIR, seconds=WINDOW)
    if client:
        count_try(runtime, "sign-in-client", client, limit=PER_CLIENT, seconds=WINDOW)
    if not is_remembered(runtime, "sign-in-place", pair):
        count_try(runtime, "sign-in-address", address, limit=PER_ADDRESS, seconds=WINDOW)


def clear_try(runtime: Runtime, address: str, client: str) -> None:
    """After a success: it counts nowhere, and this place is known from now on."""
    pair = _pair(address, client)
    known = is_remembered(runtime, "sign-in-place", pair)
    forget_tries(runtime, "sign-in", pair)
    if client:
        take_back_try(runtime, "sign-in-client", client, seconds=WINDOW)
    if not known:
        take_back_try(runtime, "sign-in-address", address, seconds=WINDOW)
    remember(runtime, "sign-in-place", pair)


def _pair(address: str, client: str) -> str:
    return f"{address} {client}"
