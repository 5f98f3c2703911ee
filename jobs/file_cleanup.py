"""Deletes copies that were fetched or are over, and what crashes left of files and of the SQL console."""

from datetime import datetime

from core.analytics.console.commands import clean_up
from core.platform.files.commands import delete_orphans
from core.platform.runtime import Runtime
from core.privacy.export.storage import delete_old_copies


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete old copies and orphaned contents; returns how many."""
    return delete_old_copies(runtime) + delete_orphans(runtime) + clean_up(runtime)
