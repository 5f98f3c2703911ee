"""What a person does with a request of their own: take it back, begin it now, write, and end what it brought."""

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.postings import lock_person, write_objection
from core.accounts.sessions import check_confirmed
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.privacy.domain import PrivacyRequestView, clean_text
from core.privacy.links import end_request_links
from core.privacy.postings import lock_request, move, note
from core.privacy.queries import request_view
from core.privacy.restrictions import end_restriction, go_on_with_runs, going_on, restriction_of
from core.shared.errors import Conflict, InvalidInput

MESSAGES_A_DAY, DAY = 20, 24 * 3600


def withdraw(runtime: Runtime, by: SessionView, request_id: str) -> PrivacyRequestView:
    """Take a request back that was not begun. What it brought meanwhile ends with it.

    Raises NotFound; Conflict REQUEST_MOVED for one that is being carried out, or answered.
    """
    owner_id = by.account.id
    with runtime.database.write() as session:
        row = lock_request(session, request_id, account_id=owner_id)
        move(runtime, session, row, "closed", "person", "withdrawn", actor_id=owner_id, outcome="withdrawn")
        row.wake_at = None
        end_request_links(session, row.id)
        restriction = restriction_of(session, row.id)
        if restriction is not None and restriction.ended_at is None:
            end_restriction(runtime, session, restriction)
        record_act(
            runtime, session, "privacy.withdrawn",
            actor_id=owner_id, subject_id=owner_id, request=row.id, right=row.right,
        )  # fmt: skip
    go_on_with_runs(runtime, owner_id)
    return request_view(row)


def begin_now(runtime: Runtime, by: SessionView, request_id: str) -> PrivacyRequestView:
    """Have a deletion begin that still waits. Raises NotFound, Forbidden CONFIRM_PASSWORD, Conflict REQUEST_MOVED."""
    check_confirmed(runtime, by)
    with runtime.database.write() as session:
        row = lock_request(session, request_id, account_id=by.account.id)
        if row.status != "scheduled" or row.start_at is None:
            raise Conflict("REQUEST_MOVED", "This request does not wait for its time any more.")
        row.start_at = min(row.start_at, runtime.clock.now())
        note(runtime, session, row, "person", "begin_now", actor_id=by.account.id)
    return request_view(row)


def write_message(runtime: Runtime, by: SessionView, request_id: str, text: str) -> None:
    """Write to the privacy team about a request. Raises NotFound, InvalidInput, LimitExceeded."""
    said = clean_text(text)
    if not said:
        raise InvalidInput("EMPTY_MESSAGE", "Write what you want to say.", field="text")
    count_try(runtime, "privacy-message", by.account.id, limit=MESSAGES_A_DAY, seconds=DAY)
    with runtime.database.write() as session:
        row = lock_request(session, request_id, account_id=by.account.id)
        note(runtime, session, row, "person", "message", actor_id=by.account.id, text=said)


def end_own_restriction(runtime: Runtime, by: SessionView) -> None:
    """End every restriction of one's own data; what was asked for meanwhile goes on to be decided.

    Raises Conflict NOT_RESTRICTED.
    """
    owner_id = by.account.id
    with runtime.database.write() as session:
        wanted = sorted(each.request_id for each in going_on(session, owner_id))
        if not wanted:
            raise Conflict("NOT_RESTRICTED", "The use of your data is not restricted.")
        rows = [lock_request(session, request_id, account_id=owner_id) for request_id in wanted]
        lock_person(session, owner_id)
        for row in rows:
            restriction = restriction_of(session, row.id)
            if restriction is not None and restriction.ended_at is None:
                note(runtime, session, row, "person", "restriction_ended", actor_id=owner_id)
                end_restriction(runtime, session, restriction)
        record_act(runtime, session, "privacy.restriction_ended", actor_id=owner_id, subject_id=owner_id)
    go_on_with_runs(runtime, owner_id)


def end_objection(runtime: Runtime, by: SessionView) -> None:
    """Allow analytics and news again, as far as consent says. Nothing happens where nobody objected."""
    with runtime.database.write() as session:
        lock_person(session, by.account.id)
        write_objection(session, by.account.id, None)
        record_act(runtime, session, "privacy.objection_ended", actor_id=by.account.id, subject_id=by.account.id)
