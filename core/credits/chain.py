"""The chain of a person's movements: each one's hash covers the movement and the hash before it.

SHA-256 without a key, over a canonical JSON text: so a person can prove it offline from an export, and whoever kept
the hash of an earlier statement can prove that nothing before it was changed since. It covers ids and numbers only,
nothing that an erasure takes away. Of a charge it covers what was metered as well.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from core.credits.domain import Metered

START = b"\0" * 32


@dataclass(frozen=True, slots=True)
class Link:
    """What the hash of a movement covers. `created_at`: ISO 8601 in UTC; amounts in micro-credits by account."""

    number: int
    id: str
    kind: str
    cause: str
    month: int
    price_version: str | None
    created_at: str
    amounts: Mapping[str, int]
    metered: Metered | None = None


def hash_link(before: bytes, link: Link) -> bytes:
    """The 32 bytes that stand for a movement and everything before it."""
    covered = [
        before.hex(),
        link.number,
        link.id,
        link.kind,
        link.cause,
        link.month,
        link.price_version,
        link.created_at,
        sorted((name, amount) for name, amount in link.amounts.items() if amount),
    ]
    if link.metered is not None:  # movements from before calls were metered hash to what they did
        covered.append(astuple(link.metered))
    text = json.dumps(covered, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()
