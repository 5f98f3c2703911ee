"""Outbound HTTP: the one way out for requests whose address a person wrote."""

from core.platform.outbound.allowlist import AllowEntry, HostPattern, parse_allowlist, parse_host_patterns
from core.platform.outbound.client import Outbound
from core.platform.outbound.errors import OutboundError, OutboundFailed, OutboundRefused, OutboundTimeout
from core.platform.outbound.messages import OutboundRequest, OutboundResponse

__all__ = [
    "AllowEntry",
    "HostPattern",
    "Outbound",
    "OutboundError",
    "OutboundFailed",
    "OutboundRefused",
    "OutboundRequest",
    "OutboundResponse",
    "OutboundTimeout",
    "parse_allowlist",
    "parse_host_patterns",
]
