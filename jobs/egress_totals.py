"""Adds up what left the installation, for the page that shows it: see `core.execution.egress_kept`."""

from datetime import datetime

from core.execution.egress_kept import count_totals
from core.platform.runtime import Runtime


def run(runtime: Runtime, _scheduled_for: datetime) -> int:
    """Count every period; returns how many are too long for a page to count by itself."""
    return count_totals(runtime)
