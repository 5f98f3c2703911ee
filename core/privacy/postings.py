"""What is written about a request within the caller's transaction: every move of it, and every line of its time line.

There is no other way from one state to another, so none that `may_move` does not know and the time line does not show.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.platform.runtime import Runtime
from core.privacy.domain import Actor, Outcome, Status, may_move
from core.privacy.models import PrivacyRequestRow, RequestEventRow
from core.shared.errors import Conflict, NotFound


def lock_request(session: Session, request_id: str, *, account_id: str | None = None) -> PrivacyRequestRow:
    """A request that others wait for to change; with `account_id` only one of that person. Raises NotFound.

    It is locked before people are: whoever needs both takes them in this order.
    """
    wanted = select(PrivacyRequestRow).where(PrivacyRequestRow.id == request_id).with_for_update()
    if account_id is not None:
        wanted = wanted.where(PrivacyRequestRow.account_id == account_id)
    row = session.scalar(wanted.execution_options(populate_existing=True))
    if row is None:
        raise not_found()
    return row


def not_found() -> NotFound:
    """What is said of a request that is not there, or somebody else's."""
    return NotFound("REQUEST_NOT_FOUND", "There is no such request.")


def move(
    runtime: Runtime,
    session: Session,
    row: PrivacyRequestRow,
    after: Status,
    actor: Actor,
    code: str,
    *,
    actor_id: str | None = None,
    text: str = "",
    outcome: Outcome | None = None,
) -> None:
    """Bring a locked request to another state, and write the line that says so.

    Raises Conflict REQUEST_MOVED for a move that there is not, or not for this actor.
    """
    before: Status = row.status  # type: ignore[assignment]
    if not may_move(before, after, actor):
        message = "This cannot be done any more: the request went on meanwhile. Reload to see where it stands."
        raise Conflict("REQUEST_MOVED", message, before=before, after=after)
    row.status = after
    if after == "closed":
        row.outcome, row.closed_at, row.lease_until = outcome, runtime.clock.now(), None
    _line(runtime, session, row, before, actor, code, actor_id, text)


def note(
    runtime: Runtime,
    session: Session,
    row: PrivacyRequestRow,
    actor: Actor,
    code: str,
    *,
    actor_id: str | None = None,
    text: str = "",
) -> None:
    """Write a line of something said or done that moves nothing."""
    _line(runtime, session, row, row.status, actor, code, actor_id, text)


def is_first(session: Session, request_id: str, code: str) -> bool:
    """Whether no line of a request's says this yet."""
    same = (RequestEventRow.request_id == request_id, RequestEventRow.code == code)
    return session.scalar(select(RequestEventRow.id).where(*same).limit(1)) is None


def _line(
    runtime: Runtime,
    session: Session,
    row: PrivacyRequestRow,
    before: str,
    actor: Actor,
    code: str,
    actor_id: str | None,
    text: str,
) -> None:
    event_id, at = runtime.ids.new(), runtime.clock.now()
    sealed = runtime.vault.seal_text(row.account_id, text_place(event_id), text) if text else None
    line = RequestEventRow(
        id=event_id, request_id=row.id, at=at, actor=actor, actor_id=actor_id, before=before, after=row.status,
        code=code, text=sealed,
    )  # fmt: skip
    session.add(line)
    session.flush()  # lines stand in the order they were written


def text_place(event_id: str) -> str:
    """Where the words of a line are sealed for."""
    return f"privacy_request_events.text:{event_id}"


def details_place(request_id: str) -> str:
    """Where what was said with a request is sealed for."""
    return f"privacy_requests.details:{request_id}"


def reason_place(decision_id: str) -> str:
    """Where the reason of a decision is sealed for."""
    return f"privacy_decisions.reason:{decision_id}"
