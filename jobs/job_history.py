"""Deletes what is kept of the runs of jobs."""

from datetime import datetime

from core.platform.jobs.commands import forget_old_runs
from core.platform.jobs.domain import HISTORY
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete runs of more than 30 days ago; returns how many."""
    return forget_old_runs(runtime, before=scheduled_for - HISTORY)
