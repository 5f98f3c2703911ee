"""What an operator does about a job that failed, by the code of its failure. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.platform.jobs.domain import DIED, JobView

SILENT_FOR = timedelta(minutes=5)
"""A scheduler marks once a minute that it looked; after this none is at work."""
_ADVICE = {
    DIED: "Each process that took it up ended before it was done. Look for what ended them, memory first; it is tried "
    "again at its next time.",
    "OperationalError": "The database was away, or too busy. If it is reachable now, run the job again.",
    "TimeoutError": "Something it waited for took too long. Run it again; look at the network if it repeats.",
    "ConnectionError": "A server it needs could not be reached. Look at the settings that name servers.",
    "OSError": "A file could not be read or written. Look at the space and the rights of the data folder.",
    "PermissionError": "A file could not be read or written. Look at the rights of the data folder.",
    "KEY_GONE": "Something is sealed with a key that is not in the key store. Compare the key store with its backup.",
    "SEAL_BROKEN": "Something is sealed with another master key. Look at STEPIQ_MASTER_KEY and its predecessor.",
}
OTHERWISE = (
    "The log of the process has the place, under job.failed and the name of the job. Nothing it did is undone, and its "
    "next time comes all the same."
)


def advice(error_code: str) -> str:
    """What to do about a failure."""
    return _ADVICE.get(error_code, OTHERWISE)


def is_silent(views: Sequence[JobView], now: datetime) -> bool:
    """Whether no scheduler has looked for minutes: then no job runs."""
    looks = [view.looked_at for view in views if view.looked_at is not None]
    return not looks or max(looks) < now - SILENT_FOR
