"""Moves anonymous events from the database to the lake, and tends the lake: see `core.analytics.flush`."""

from datetime import datetime

from core.analytics.commands import flush
from core.platform.runtime import Runtime


def run(runtime: Runtime, _scheduled_for: datetime) -> int:
    """Move what waits; returns how many events."""
    return flush(runtime)
