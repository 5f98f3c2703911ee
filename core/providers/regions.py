"""Whether a place of processing lies in the European Economic Area, where GDPR holds without a transfer."""

import re

EEA = frozenset({
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT",
    "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO", "EU", "EEA",
})  # fmt: skip
"""The 27 member states, and Iceland, Liechtenstein and Norway (EEA Agreement), by ISO 3166-1 code; and the whole."""
INSIDE = "this server"
_NAMES = {
    "europe": "EU", "european union": "EU", "france": "FR", "germany": "DE", "ireland": "IE", "netherlands": "NL",
    "sweden": "SE", "finland": "FI", "spain": "ES", "italy": "IT", "poland": "PL", "belgium": "BE", "austria": "AT",
}  # fmt: skip
_CODE = re.compile(r"[A-Z]{2,3}")
# Regions of clouds: eu-west-2 is London, which left with the United Kingdom; eu-central-2 is Zurich.
_CLOUD = re.compile(r"(?:eu|europe)-(?:west|central|north|south|southwest|northeast|southeast)-?(\d*)[a-z]?")
_OUTSIDE_CLOUD = frozenset({"eu-west-2", "eu-central-2", "europe-west2", "europe-west6"})


def in_eea(region: str) -> bool | None:
    """Whether a region lies in the EEA; None where its name does not tell.

    The place of the installation itself (`this server`) is no transfer. Several places are inside when all are.
    """
    places = [place.strip() for place in re.split(r"[,;/+]| and ", region) if place.strip()]
    told = [_one(place) for place in places]
    if False in told:
        return False
    return None if not told or None in told else True


def _one(place: str) -> bool | None:
    lower = place.lower()
    if lower == INSIDE:
        return True
    if lower in _NAMES:
        return True
    if _CLOUD.fullmatch(lower):
        return lower.rstrip("abcdef") not in _OUTSIDE_CLOUD
    if lower in ("us", "usa", "united states") or lower.startswith(("us-", "us ")):
        return False
    if _CODE.fullmatch(place):
        return place in EEA
    return None
