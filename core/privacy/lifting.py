"""Ending a restriction without its person: announced first (GDPR Art. 18(3)), done when the notice is over."""

from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.platform.runtime import Runtime
from core.privacy.domain import LIFTING_NOTICE, clean_reason
from core.privacy.letters import tell_lifting
from core.privacy.models import PrivacyRequestRow, RestrictionRow
from core.privacy.postings import lock_request, note
from core.privacy.restrictions import due_to_lift, end_restriction, go_on_with_runs, restriction_of
from core.privacy.signatures import check_privacy_admin
from core.shared.errors import Conflict


def announce_lifting(runtime: Runtime, by: SessionView, request_id: str, reason: str) -> None:
    """Tell a person that the restriction of a request ends, and why; it ends three days later.

    Raises NotFound, Forbidden, InvalidInput; Conflict NOT_RESTRICTED, ANNOUNCED, or NOT_DECIDED.
    """
    said = clean_reason(reason)
    with runtime.database.write() as session:
        row = lock_request(session, request_id)
        check_privacy_admin(runtime, by, row.account_id, confirmed=True)
        restriction = restriction_of(session, row.id)
        if restriction is None or restriction.ended_at is not None:
            raise Conflict("NOT_RESTRICTED", "Nothing is restricted for this request.")
        if restriction.lift_at is not None:
            raise Conflict("ANNOUNCED", "The person was told already.")
        if row.status == "awaiting_decision":
            raise Conflict("NOT_DECIDED", "It lasts until the request is decided: decide first.")
        announce(runtime, session, row, restriction, said, actor_id=by.account.id)
        record_act(
            runtime, session, "privacy.lifting_announced",
            actor_id=by.account.id, subject_id=row.account_id, request=row.id,
        )  # fmt: skip


def announce(
    runtime: Runtime,
    session: Session,
    row: PrivacyRequestRow,
    restriction: RestrictionRow,
    reason: str,
    *,
    actor_id: str,
) -> None:
    """The same in the caller's transaction."""
    now = runtime.clock.now()
    restriction.told_at, restriction.lift_at = now, now + LIFTING_NOTICE
    note(runtime, session, row, "privacy_admin", "lifting_announced", actor_id=actor_id, text=reason)
    tell_lifting(runtime, session, row, restriction.lift_at, reason)


def lift_due(runtime: Runtime) -> int:
    """End the restrictions whose announced end has come; answers how many."""
    with runtime.database.read() as session:
        due = due_to_lift(session, runtime.clock.now())
    for request_id in due:
        with runtime.database.write() as session:
            row = lock_request(session, request_id)
            restriction = restriction_of(session, row.id)
            if restriction is None or restriction.ended_at is not None:
                continue  # its person was first
            note(runtime, session, row, "system", "restriction_ended")
            end_restriction(runtime, session, restriction)
            record_act(
                runtime, session, "privacy.restriction_ended",
                actor_id=None, subject_id=row.account_id, request=row.id,
            )  # fmt: skip
        go_on_with_runs(runtime, row.account_id)
    return len(due)
