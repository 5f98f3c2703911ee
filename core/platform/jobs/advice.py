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
    "LAKE_BUSY": "Another process was writing to the lake. Nothing is lost; its next time goes on.",
    "LAKE_UNREACHABLE": "The bucket of the lake does not answer. Events are kept in the database and nothing is lost. "
    "Look at LAKE_S3_ENDPOINT and the network; it is tried again at its next time.",
    "LAKE_REFUSED": "The bucket of the lake refuses the keys it is asked with. Events are kept in the database. Set "
    "LAKE_S3_ACCESS_KEY_ID and LAKE_S3_SECRET_ACCESS_KEY to keys that may read, write, list and delete there.",
    "LAKE_NO_BUCKET": "There is no bucket of the name that LAKE_URL has. Events are kept in the database. Make the "
    "bucket, or name the right one.",
    "LAKE_ELSEWHERE": "The bucket of LAKE_URL is not this lake. Events are kept in the database. Copy the folders "
    "events and facts there from where they were, or name a bucket or prefix of its own.",
    "LAKE_OF_ANOTHER": "The bucket of LAKE_URL has the lake of another installation. Events are kept in the database. "
    "Name a bucket or a prefix of its own.",
    "LAKE_DAMAGED": "The bucket has a file of another size than was put there. Events are kept in the database. Where "
    "it is not Amazon’s, set LAKE_S3_ENDPOINT.",
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
