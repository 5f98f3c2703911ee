"""Whether a place of processing lies in the European Economic Area, where GDPR holds without a transfer."""

import re

EEA = frozenset({
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU", "MT",
    "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO", "EU", "EEA",
})  # fmt: skip
"""The 27 member states, and Iceland, Liechtenstein and Norway (EEA Agreement), by ISO 3166-1 code; and the whole."""
INSIDE = "this server"
_NAMES = {
    "europe": "EU", "european union": "EU", "austria": "AT", "belgium": "BE", "bulgaria": "BG", "croatia": "HR",
    "cyprus": "CY", "czechia": "CZ", "denmark": "DK", "estonia": "EE", "finland": "FI", "france": "FR",
    "germany": "DE", "greece": "GR", "hungary": "HU", "iceland": "IS", "ireland": "IE", "italy": "IT", "latvia": "LV",
    "liechtenstein": "LI", "lithuania": "LT", "luxembourg": "LU", "malta": "MT", "netherlands": "NL", "norway": "NO",
    "poland": "PL", "portugal": "PT", "romania": "RO", "slovakia": "SK", "slovenia": "SI", "spain": "ES",
    "sweden": "SE",
}  # fmt: skip
_OUTSIDE = frozenset({
    "us", "usa", "united states", "united kingdom", "switzerland", "canada", "india", "japan", "singapore",
})  # fmt: skip
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
    if lower in _OUTSIDE or lower.startswith(("us-", "us ")):
        return False
    if _CODE.fullmatch(place):
        return place in EEA
    return None
