"""Changes the plans whose announced day has come, and pauses the schedules that a plan has no more."""

from datetime import datetime

from core.credits.commands import apply_due_plans
from core.execution.automation import pause_unplanned_schedules
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Change and pause what is due; returns how many plans and schedules."""
    return apply_due_plans(runtime) + pause_unplanned_schedules(runtime)
