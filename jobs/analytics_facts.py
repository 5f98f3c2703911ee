"""Makes the facts of the last days from the rows of operations: see `core.analytics.facts_commands`."""

from datetime import datetime

from core.analytics.facts_commands import build_facts
from core.platform.runtime import Runtime


def run(runtime: Runtime, _scheduled_for: datetime) -> int:
    """Make them anew; returns how many days have facts."""
    return build_facts(runtime)
