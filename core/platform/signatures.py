"""Signatures of outbound webhooks: a receiver sees who sent the body, and that it is neither altered nor old.

The signature is `v1=` and the hex HMAC-SHA256 (RFC 2104), under the shared secret, of `<timestamp>.<raw body>`,
the timestamp in unix seconds. The delivery id is the same in every attempt, so that a receiver who keeps it acts
once.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

EVENT, DELIVERY = "X-StepIQ-Event", "X-StepIQ-Delivery"
TIMESTAMP, SIGNATURE = "X-StepIQ-Timestamp", "X-StepIQ-Signature"
VERSION = "v1"
TOLERANCE_SECONDS = 300
_DIGITS = re.compile(r"[0-9]{1,12}")


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The signature of a raw body sent at a moment (unix seconds). Raises ValueError without a secret."""
    if not secret:
        raise ValueError("a webhook is never signed with an empty secret")
    return f"{VERSION}={hmac.new(secret.encode(), b'%d.' % timestamp + body, 'sha256').hexdigest()}"


def signed_headers(secret: str, *, event: str, delivery: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The four headers of a delivery, to send with exactly this body."""
    return {
        EVENT: event,
        DELIVERY: delivery,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(secret, timestamp, body),
    }


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: int, tolerance_seconds: int = TOLERANCE_SECONDS
) -> bool:
    """Whether a received body carries a signature of this secret, made at most the tolerance before or after `now`.

    Header names match in any case. Several signatures with commas between them are allowed while a secret is being
    replaced; one that matches is enough. A comparison takes the same time wherever
    the first difference is.
    """
    found = {name.lower(): value for name, value in headers.items()}
    timestamp = found.get(TIMESTAMP.lower(), "").strip()
    if not secret or not _DIGITS.fullmatch(timestamp) or abs(now - int(timestamp)) > tolerance_seconds:
        return False
    # What was signed is the text of the header, so a timestamp in another spelling does not pass.
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, "sha256").hexdigest()
    expected = f"{VERSION}={digest}".encode()
    offered = found.get(SIGNATURE.lower(), "").split(",")
    return any(hmac.compare_digest(expected, each.strip().encode()) for each in offered)
