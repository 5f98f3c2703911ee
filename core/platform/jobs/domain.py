"""Jobs: what the installation does by itself, and when. Pure.

Two sorts. A job without `has_work` runs at each of its times, and each run is a row. A job with `has_work` is one
that looks every few seconds or every minute: its look is a read, and only a look that finds work becomes a run. So an
idle installation writes no row every five seconds, and the history shows what happened instead of what did not.
That such a job is alive is told by one mark, moved once a minute at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

JobState = Literal["asked", "running", "completed", "failed"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=90)
"""How long a run that says nothing is believed to be under way; its process renews it three times as often."""
MOST_ATTEMPTS = 3
"""A run whose process died this often is given up: it may be what kills them."""
DIED = "PROCESS_DIED"
MARK_EVERY = timedelta(minutes=1)
HISTORY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `says` is its sentence for people; `run` is given its scheduled time and tells how much it did."""

    name: str
    says: str
    every: timedelta
    run: Callable[[Runtime, datetime], int]
    has_work: Callable[[Runtime, datetime], bool] | None = None

    def slot(self, now: datetime) -> datetime:
        """The newest time this job was due at: every process counts from the same moment, so all agree."""
        return now - (now - EPOCH) % self.every


@dataclass(frozen=True, slots=True)
class Due:
    """A time of a job that nobody has in hand."""

    job: Job
    scheduled_for: datetime


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job. `error_code`: the class of the exception, or the code of an AppError."""

    job: str
    scheduled_for: datetime
    state: JobState
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    error_code: str | None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with its newest runs, newest first. `looked_at`: when a scheduler last looked whether there is work."""

    job: Job
    runs: tuple[JobRun, ...]
    next_at: datetime
    looked_at: datetime | None
