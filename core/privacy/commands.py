"""Using a right, and taking it back."""

from typing import Any, cast

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult

from core.accounts.audit import record_act
from core.accounts.automation import pause
from core.accounts.domain import SessionView
from core.accounts.letters import tell
from core.accounts.postings import end_sessions, lock_person
from core.accounts.roles import check_not_last_admin, lock_admins
from core.accounts.sessions import check_confirmed
from core.platform.runtime import Runtime
from core.privacy.domain import OPEN, WITHDRAWABLE, PrivacyRequestView, due_at
from core.privacy.models import PrivacyRequestRow
from core.privacy.queries import request_view
from core.privacy.rights import title_of
from core.shared.errors import Conflict, NotFound


def ask_erasure(runtime: Runtime, by: SessionView) -> PrivacyRequestView:
    """Ask for the deletion of one's account. Signing in goes on to work, so that it can be taken back.

    Who asks has just entered the password, so the request needs no other proof of who they are (Art. 12(6)). The
    other sign-ins end. Raises Forbidden CONFIRM_PASSWORD; Conflict LAST_ADMIN, ERASURE_ASKED.
    """
    check_confirmed(runtime, by)
    account, now = by.account, runtime.clock.now()
    row = PrivacyRequestRow(
        id=runtime.ids.new(),
        account_id=account.id,
        right="erasure",
        status="verified",
        received_at=now,
        due_at=due_at(now),
        fence=0,
    )
    waiting = (
        PrivacyRequestRow.account_id == account.id,
        PrivacyRequestRow.right == "erasure",
        PrivacyRequestRow.status.in_(OPEN),
    )
    with runtime.database.write() as session:
        # All admins first, in their order, then this person: two who ask at once wait for each other, once.
        leaving = select(PrivacyRequestRow.account_id).where(
            PrivacyRequestRow.right == "erasure", PrivacyRequestRow.status.in_(OPEN)
        )
        lock_admins(session)
        lock_person(session, account.id)  # two clicks ask once
        if session.scalar(select(PrivacyRequestRow.id).where(*waiting)) is not None:
            raise Conflict("ERASURE_ASKED", "You asked for this already.")
        check_not_last_admin(session, account.id, leaving=frozenset(session.scalars(leaving)))
        session.add(row)
        end_sessions(runtime, session, account.id, keep=by.id)
        pause(runtime, session, account.id)  # nothing new is made of what is about to go
        values = {
            "right": title_of("erasure", account.language),
            "received": f"{now:%Y-%m-%d}",
            "due": f"{row.due_at:%Y-%m-%d}",
            "privacy_url": f"{runtime.settings.public_url}/app/profile",
        }
        tell(runtime, session, account, "privacy_request", values, cause=f"privacy_request:{row.id}")
        record_act(runtime, session, "account.deletion_asked", actor_id=account.id, subject_id=account.id)
    return request_view(row)


def withdraw_erasure(runtime: Runtime, by: SessionView) -> None:
    """Take a deletion back that has not begun. Raises NotFound."""
    mine = (
        PrivacyRequestRow.account_id == by.account.id,
        PrivacyRequestRow.right == "erasure",
        PrivacyRequestRow.status.in_(WITHDRAWABLE),
    )
    closed = {"status": "closed", "outcome": "withdrawn", "closed_at": runtime.clock.now()}
    taken_back = update(PrivacyRequestRow).where(*mine).values(closed)
    with runtime.database.write() as session:
        if cast(CursorResult[Any], session.execute(taken_back)).rowcount != 1:
            raise NotFound("REQUEST_NOT_FOUND", "There is nothing to take back.")
        record_act(runtime, session, "account.deletion_withdrawn", actor_id=by.account.id, subject_id=by.account.id)
