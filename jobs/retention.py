"""Deletes logs, files and mails whose time is over: by their owner's plan, and what is kept for proof or by law."""

from datetime import datetime

from core.platform.runtime import Runtime
from core.privacy.retention.sweep import sweep


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete what was over at its time; returns how many rows and files."""
    return sweep(runtime, scheduled_for)
