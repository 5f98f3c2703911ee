"""Deletes files with their runs' retention, and what crashes left of others."""

from datetime import datetime

from core.execution.file_retention import delete_expired
from core.platform.files.commands import delete_orphans
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete expired files and orphaned contents; returns how many."""
    return delete_expired(runtime, now=scheduled_for) + delete_orphans(runtime)
