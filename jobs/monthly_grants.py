"""Grants the credits of every month that began, also to those whom nothing else would remind of it."""

from datetime import datetime

from core.credits.commands import grant_due_months
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Grant what is due; returns how many months."""
    return grant_due_months(runtime)
