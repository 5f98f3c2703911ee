"""Tells people about versions of policies that are to come, and that one was taken back."""

from datetime import datetime

from core.platform.runtime import Runtime
from core.privacy.policies.notices import send_notices


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Write the mails that are missing; returns how many."""
    return send_notices(runtime)
