"""Privacy annotations: every column says whether it holds personal data, why, and what happens to it.

The declarative base refuses a column without one, so an undeclared column cannot reach a database.
Categories are keys of the fideslang taxonomy; legal bases are those of GDPR Art. 6(1).
"""

from dataclasses import dataclass
from typing import Any, Literal

LegalBasis = Literal["contract", "legal_obligation", "legitimate_interests", "consent"]
Origin = Literal["provided", "observed", "derived"]
ExportClass = Literal["access", "portable", "never"]
Erase = Literal[
    "delete",
    "null",
    "replace",
    "shred-key",
    "generalise",
    "reassign-to-tombstone",
    "retain-until(law)",
    "redact-in-json",
    "rewrite-file",
    "provider-call",
    "expire",
]
Retention = Literal[
    "account", "plan_logs", "session", "law_10_years", "proof_5_years", "short_lived", "legal_hold", "days_90"
]


@dataclass(frozen=True, slots=True)
class Personal:
    """What a column holds about a person, and the rules that follow from it."""

    subject: str
    category: str
    purpose: str
    label: str
    legal_basis: LegalBasis = "contract"
    retention: Retention = "account"
    anchor: str = "created_at"
    origin: Origin = "provided"
    export: ExportClass = "access"
    erase: Erase = "delete"
    recipients: tuple[str, ...] = ()
    when_restricted: Literal["block", "allow"] = "allow"
    legal_ref: str = "GDPR Art. 6(1)(b)"


@dataclass(frozen=True, slots=True)
class NotPersonal:
    """Why a column says nothing about a person."""

    why: str


def personal(category: str, purpose: str, label: str, **rules: Any) -> dict[str, Any]:
    """Column `info` for data about the account holder."""
    return {"privacy": Personal("account holder", category, purpose, label, **rules)}


def not_personal(why: str) -> dict[str, Any]:
    """Column `info` for data about nobody."""
    return {"privacy": NotPersonal(why)}
