"""Sends the mails whose time has come: every few seconds, and at once after one was written in this process."""

from datetime import datetime

from core.platform.mail.commands import send_due
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Send what is due; returns how many."""
    return send_due(runtime)
