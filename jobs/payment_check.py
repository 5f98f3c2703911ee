"""Compares every subscription with Stripe, as if none of its messages had come."""

from datetime import datetime

from core.credits.payments.events import reconcile
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Ask about everything that goes on; returns how many things were dealt with."""
    return reconcile(runtime)
