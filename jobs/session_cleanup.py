"""Deletes sign-ins, codes, links and invitations that have ended: they are kept no longer than they serve."""

from datetime import datetime

from core.accounts.invitations import delete_old_invitations
from core.accounts.links import delete_old_links
from core.accounts.registration import delete_old_codes
from core.accounts.sessions import delete_ended_sessions
from core.platform.runtime import Runtime


def run(runtime: Runtime, scheduled_for: datetime) -> int:
    """Delete what has ended; returns how many."""
    return (
        delete_ended_sessions(runtime, before=scheduled_for)
        + delete_old_links(runtime, before=scheduled_for)
        + delete_old_codes(runtime, before=scheduled_for)
        + delete_old_invitations(runtime, before=scheduled_for)
    )
