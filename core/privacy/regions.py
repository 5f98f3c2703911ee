"""Where operators say that data is, in their own words. Pure."""

from core.providers.regions import in_eea


def is_european(region: str) -> bool | None:
    """Whether a region is in the European Economic Area; None where its name does not tell.

    As `core.providers.regions` reads it, and also a place with its country after a comma, or a code in small letters
    with a place after it: `FR`, `Paris, France`, `eu`, `fr-par`.
    """
    for reading in (region, region.rpartition(",")[2], region.upper().partition("-")[0]):
        told = in_eea(reading.strip())
        if told is not None:
            return told
    return None
