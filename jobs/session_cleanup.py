"""Deletes sign-ins that have ended: they are kept no longer than they serve."""

from datetime import datetime

from core.accounts.sessions import delete_ended_sessions
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete ended sessions; returns how many."""
    return delete_ended_sessions(runtime, before=scheduled_for)
