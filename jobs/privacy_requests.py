"""Carries out what people asked for by right: each request as far as it goes now."""

from datetime import datetime

from core.platform.runtime import Runtime
from core.privacy.advance import advance_request, due_requests


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Carry out what is due; returns how many requests went on."""
    return sum(advance_request(runtime, request_id) for request_id in due_requests(runtime))
