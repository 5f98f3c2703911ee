"""Deletes keyed hashes that no longer count: of requests carried out more than a day ago, and of old tries."""

from datetime import datetime

from core.platform.idempotency import forget_old_keys
from core.platform.ratelimits import forget_old_windows
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete what is old; returns how many."""
    return forget_old_keys(runtime) + forget_old_windows(runtime)
