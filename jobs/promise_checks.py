"""Looks at every promise of the privacy policy: once a day, and soon after the first start."""

from datetime import datetime

from core.platform.runtime import Runtime
from core.privacy.checks.commands import HISTORY, check_promises, forget_old_checks


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Check them all; returns how many. What is older than can be looked back on goes."""
    forget_old_checks(runtime, before=runtime.clock.now() - HISTORY)
    return len(check_promises(runtime))
