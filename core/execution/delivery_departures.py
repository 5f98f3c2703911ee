"""What a delivery tells the ledger of what leaves: a webhook's host, the domains of its mails, the file store."""

import re
from collections.abc import Mapping
from typing import Any

from core.execution.departures import FILE_STORE, Departure, short_host
from core.platform.outbound import OutboundRefused
from core.platform.outbound.targets import read_target
from core.shared.ids import Ids

_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?(?P<host>[^/?#]*?)(?::\d+)?(?=[/?#]|$)", re.IGNORECASE)
UNREADABLE = "unreadable address"


def departures_of(ids: Ids, kind: str, target: str, request: Mapping[str, Any]) -> list[Departure]:
    """One a recipient of a delivery: the claim journals them, before its content is looked at."""
    purpose = "result" if target.startswith("deliver.") else "notice"
    if kind == "webhook":
        host = host_of(str(request.get("url", "")), str(request.get("mark", "")))
        return [Departure(ids.new(), "delivery", short_host(host), purpose)]
    if kind == "file":
        return [Departure(ids.new(), "file", FILE_STORE, purpose)]
    domains = sorted({domain_of(address) for address in request.get("to", ())})
    return [Departure(ids.new(), "mail", short_host(domain), purpose) for domain in domains]


def domain_of(address: str) -> str:
    """The domain of a mail address: all that is kept of it."""
    return address.rpartition("@")[2].lower()


def host_of(url: str, mark: str) -> str:
    """The host of a drafted address. A secret in it, for which a mark stands, is told by its name."""
    named = re.sub(rf"{re.escape(mark)}:([^;]*);", r"[secret \1]", url) if mark else url
    try:
        return read_target(named).host
    except OutboundRefused:
        found = _AUTHORITY.match(named)
        return found["host"].lower() if found is not None and found["host"] else UNREADABLE
