"""Works off what Stripe told of and was not done, and sends refunds that did not go out."""

from datetime import datetime

from core.credits.payments.events import work_off
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Do what was left; returns how much."""
    return work_off(runtime)
