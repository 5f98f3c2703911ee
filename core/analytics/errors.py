"""What is said where the lake cannot be reached, and what was kept meanwhile."""

import re

from core.shared.errors import Conflict

KEPT = "Events are kept in the database until it can be written to, and nothing was lost."


class LakeUnreachable(Conflict):
    """The bucket of the lake does not answer, or not as it should; `code` says which."""


def unreachable() -> LakeUnreachable:
    """It does not answer."""
    return LakeUnreachable(
        "LAKE_UNREACHABLE",
        f"The bucket of the lake does not answer. {KEPT} Look at LAKE_S3_ENDPOINT and the network; it is tried again.",
    )


def refused() -> LakeUnreachable:
    """It does not accept who asks."""
    return LakeUnreachable(
        "LAKE_REFUSED",
        f"The bucket of the lake refuses the keys it is asked with. {KEPT} Set LAKE_S3_ACCESS_KEY_ID and "
        "LAKE_S3_SECRET_ACCESS_KEY to keys that may read, write, list and delete there, and start again.",
    )


def no_bucket() -> LakeUnreachable:
    """There is none of that name."""
    return LakeUnreachable(
        "LAKE_NO_BUCKET",
        f"There is no bucket of the name that LAKE_URL has. {KEPT} Make it, or name the right one and start again.",
    )


def damaged() -> LakeUnreachable:
    """What it has is not what was put there."""
    return LakeUnreachable(
        "LAKE_DAMAGED",
        f"The bucket of the lake has a file of another size than was put there. {KEPT} Where it is not Amazon’s, set "
        "LAKE_S3_ENDPOINT, so that files go there without what Amazon adds to them.",
    )


def elsewhere(missing: int, strange: int) -> LakeUnreachable:
    """It is not the lake of this installation, or not all of it."""
    return LakeUnreachable(
        "LAKE_ELSEWHERE",
        f"The bucket of LAKE_URL is not this lake: {missing} of its files are not there, {strange} others are. {KEPT} "
        "Copy the folders events and facts there from where they were, or name a bucket or prefix of its own.",
    )


def of_another() -> LakeUnreachable:
    """It is the lake of another installation."""
    return LakeUnreachable(
        "LAKE_OF_ANOTHER",
        f"The bucket of LAKE_URL has the lake of another installation. {KEPT} Name a bucket or a prefix of its own.",
    )


def file_missing(said: object = "") -> Conflict:
    """A file that is listed is in no place. `said`: what could not find it; the day is in the name of its folder."""
    day = day_in(str(said))
    return Conflict(
        "LAKE_FILE_MISSING",
        f"A file of {day or 'the lake'} cannot be read: it is listed and not there. Nothing else is lost. The next run "
        "of the job analytics_flush leaves it out. If the lake was moved, copy the folders events and facts to where "
        "LAKE_URL says.",
    )


def day_in(said: str) -> str:
    """The day of the first file of the lake that a text names; empty for none."""
    found = re.search(r"/dt=(\d{4}-\d\d-\d\d)/", said)
    return found[1] if found else ""
