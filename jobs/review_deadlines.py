"""Answers reviews whose time is over, as their step says."""

from datetime import datetime

from core.execution.reviews import decide_due_reviews
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Decide what is due; returns how many."""
    return decide_due_reviews(runtime, scheduled_for)
