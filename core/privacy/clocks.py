"""What the days bring: reminders before a request is due, links that nobody followed, restrictions announced to end."""

from sqlalchemy import select

from core.accounts.queries import account_of
from core.platform.runtime import Runtime
from core.privacy.domain import LINK_LIFE, OPEN, reminder_for
from core.privacy.letters import remind, tell_lapsed
from core.privacy.lifting import lift_due
from core.privacy.links import delete_old_links, end_request_links
from core.privacy.models import PrivacyRequestRow, RequestEventRow
from core.privacy.postings import lock_request, move
from core.privacy.signatures import privacy_admins


def turn_clocks(runtime: Runtime) -> int:
    """Do all of it for now; answers how many reminders, lapsed requests and ended restrictions there were."""
    return lift_due(runtime) + end_unproven(runtime) + remind_admins(runtime)


def remind_admins(runtime: Runtime) -> int:
    """Mail privacy admins 7, 3 and 1 days before a request is due, and every day that it is late; each once."""
    now, reminded = runtime.clock.now(), 0
    with runtime.database.read() as session:
        waiting = list(session.scalars(select(PrivacyRequestRow).where(PrivacyRequestRow.status.in_(OPEN))))
    due = [(row, reminder_for(row.extended_until or row.due_at, now)) for row in waiting]
    for row, reminder in due:
        if reminder is None:
            continue
        with runtime.database.write() as session:
            for admin_id in sorted(privacy_admins(session, without=row.account_id)):
                reminded += remind(runtime, session, row, account_of(runtime, session, admin_id), reminder)
    return reminded


def end_unproven(runtime: Runtime) -> int:
    """Close requests whose link nobody followed within its life, and tell the owner of the address."""
    before = runtime.clock.now() - LINK_LIFE
    asked = (
        RequestEventRow.request_id == PrivacyRequestRow.id,
        RequestEventRow.after == "awaiting_identity",
        RequestEventRow.at <= before,
    )
    wanted = select(PrivacyRequestRow.id).where(PrivacyRequestRow.status == "awaiting_identity")
    with runtime.database.read() as session:
        old = list(session.scalars(wanted.where(select(RequestEventRow.id).where(*asked).exists())))
    ended = 0
    for request_id in old:
        with runtime.database.write() as session:
            row = lock_request(session, request_id)
            if row.status != "awaiting_identity":
                continue
            move(runtime, session, row, "closed", "system", "identity_not_shown", outcome="refused")
            end_request_links(session, row.id)
            tell_lapsed(runtime, session, row)
        ended += 1
    with runtime.database.write() as session:
        delete_old_links(session, before=runtime.clock.now())
    return ended
