"""What each vendor does with the data it is sent, as published on the date given.

The dates are evidence for the privacy promise P08: look the pages up again before they are 180 days old.
"""

from __future__ import annotations

from core.providers.domain import ANTHROPIC, DEMO_PROVIDER, OPENAI, DataTerms, PartnerConfig
from core.providers.regions import INSIDE, in_eea

TERMS_CHECKED_AT = "2026-11-23"

MAX_AGE_DAYS = 180
"""Terms read longer ago are looked up again (promise P08)."""
CLAUSES = "Standard contractual clauses (Decision (EU) 2021/914)"

_TERMS = {
    ANTHROPIC: DataTerms(
        training="Inputs and outputs are not used to train models (commercial terms).",
        retention="Deleted within 30 days, unless flagged for abuse or the law requires longer.",
        url="https://www.anthropic.com/legal/commercial-terms",
        checked_at=TERMS_CHECKED_AT,
        safeguard=f"{CLAUSES}, which its commercial terms bring with them.",
        in_eea=False,
    ),
    OPENAI: DataTerms(
        training="Inputs and outputs sent through the API are not used to train models by default.",
        retention="Abuse-monitoring logs up to 30 days; replies are not stored (sent with store=false).",
        url="https://platform.openai.com/docs/guides/your-data",
        checked_at=TERMS_CHECKED_AT,
        safeguard=f"{CLAUSES}, in its data processing addendum, agreed to by whose key is used.",
        in_eea=False,
    ),
    DEMO_PROVIDER: DataTerms(
        training="Nothing is sent anywhere; nothing is learned.",
        retention="None: the demo model runs inside this server and keeps nothing.",
        url="",
        checked_at=TERMS_CHECKED_AT,
        in_eea=True,
    ),
}

_REGIONS = {ANTHROPIC: "US", OPENAI: "US", DEMO_PROVIDER: INSIDE}


def terms_of(provider: str) -> DataTerms:
    """Data terms of a built-in provider. Raises KeyError for a partner."""
    return _TERMS[provider]


def region_of(provider: str) -> str:
    """Where a built-in provider processes by default. Raises KeyError for a partner."""
    return _REGIONS[provider]


def partner_terms(partner: PartnerConfig) -> DataTerms:
    """Data terms of a partner: known only to the page its operator named."""
    where = "see its terms" if partner.terms_url else "its operator named no terms page"
    return DataTerms(
        training=f"Depends on the partner {partner.name}: {where}.",
        retention=f"Depends on the partner {partner.name}: {where}.",
        url=partner.terms_url,
        checked_at=partner.terms_dated,
        safeguard=partner.safeguard,
        in_eea=in_eea(partner.region),
    )
