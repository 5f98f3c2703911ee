"""Ends the legal holds whose time is over, or that nobody signed twice, and destroys what was kept for them."""

from datetime import datetime

from core.platform.runtime import Runtime
from core.privacy.erasure.releasing import release_ended
from core.privacy.retention.holds import end_lapsed_holds


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """End what is over now; returns how many holds ended or were released."""
    return end_lapsed_holds(runtime) + release_ended(runtime)
