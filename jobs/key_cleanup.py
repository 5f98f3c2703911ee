"""Deletes the keys of requests that were carried out more than a day ago."""

from datetime import datetime

from core.platform.idempotency import forget_old_keys
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete old keys; returns how many."""
    return forget_old_keys(runtime)
