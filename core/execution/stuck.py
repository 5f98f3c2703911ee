"""Which runs are stuck: they should be going on, and nobody is at them. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Why = Literal["lease_lapsed", "pending_long", "running_long"]
LAPSED_FOR = timedelta(minutes=1)
"""A run whose process died is taken up within 10 s; a minute later nobody did."""
PENDING_FOR = timedelta(minutes=10)
RUNNING_FOR = timedelta(hours=2)
SAYS: dict[Why, str] = {
    "lease_lapsed": "Its process died and no other took it up. Look whether a worker runs.",
    "pending_long": "It waits for a worker for over 10 minutes. Start workers, or see whether one person has many.",
    "running_long": "It is under way for more than 2 hours. A long run may be well; else its person can cancel it.",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a run that has not ended; one that waits for a person is not meant to go on."""

    status: str
    created_at: datetime
    working_since: datetime | None
    lease_until: datetime | None
    wake_at: datetime | None


def why_stuck(run: Progress, now: datetime) -> Why | None:
    """Why a run is stuck; None for one that is well, or waits for its time."""
    if run.status not in ("pending", "running") or (run.wake_at is not None and run.wake_at > now - LAPSED_FOR):
        return None
    if run.lease_until is not None and run.lease_until < now - LAPSED_FOR:
        return "lease_lapsed"
    if run.status == "pending":
        return "pending_long" if run.created_at < now - PENDING_FOR else None
    if run.working_since is not None and run.working_since < now - RUNNING_FOR:
        return "running_long"
    return None
