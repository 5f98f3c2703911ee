"""Tells people whose runs spent far more today than on their usual day."""

from datetime import datetime

from core.credits.unusual import tell_unusual_spend
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Look at today; returns how many were told."""
    return tell_unusual_spend(runtime)
