"""Deletes what crashes left of files' contents."""

from datetime import datetime

from core.platform.files.commands import delete_orphans
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete orphaned contents; returns how many."""
    return delete_orphans(runtime)
