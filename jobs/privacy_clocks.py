"""Reminds of requests that are due, ends links that nobody followed, and restrictions whose end was announced."""

from datetime import datetime

from core.platform.runtime import Runtime
from core.privacy.clocks import turn_clocks


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Look at every open request; returns how many something was done about."""
    return turn_clocks(runtime)
