"""Starts the runs that schedules are due for."""

from datetime import datetime

from core.execution.schedules import start_due_schedules
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Start what is due; returns how many times were dealt with."""
    return start_due_schedules(runtime, scheduled_for)
