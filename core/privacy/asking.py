"""Using a right: asked for by a person who is signed in, or entered by a privacy admin from a letter or a mail.

Who has just entered the password has shown who they are (GDPR Art. 12(6)); everybody else follows a mailed link first.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.addresses import ask_address_change
from core.accounts.audit import record_act
from core.accounts.domain import SessionView, clean_email, clean_language
from core.accounts.postings import lock_person
from core.accounts.queries import find_account
from core.platform.idempotency import Once, answer_once, answered_before
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request
from core.privacy.beginning import begin, check_may_leave
from core.privacy.details import seal_details
from core.privacy.domain import (
    OPEN,
    Actor,
    Channel,
    Details,
    PrivacyRequestView,
    Right,
    clean_details,
    clean_text,
    due_at,
)
from core.privacy.letters import tell_received
from core.privacy.links import mail_link
from core.privacy.models import PrivacyRequestRow
from core.privacy.postings import move, note
from core.privacy.queries import request_view
from core.privacy.signatures import check_privacy_admin
from core.shared.errors import Conflict, Forbidden, InvalidInput, NotFound

A_DAY, DAY = 20, 24 * 3600
AT_ONCE: tuple[Right, ...] = ("rectification", "restriction", "objection")
"""Carried out before the answer to who asks, as it takes a moment; a job does the others, and these where it failed."""
SEVERAL: tuple[Right, ...] = ("rectification",)
"""Of these, more than one may be open."""


def ask(
    runtime: Runtime,
    by: SessionView,
    right: Right,
    details: Details | None = None,
    *,
    channel: Channel = "app",
    once: Once | None = None,
) -> PrivacyRequestView:
    """Use a right. Without the password entered in the last 10 minutes a mailed link is followed first.

    Raises InvalidInput; Conflict REQUEST_OPEN or LAST_ADMIN; Forbidden CONFIRM_PASSWORD for a new address;
    LimitExceeded.
    """
    said = _checked(right, details or Details())
    account = by.account
    confirmed = by.is_confirmed(runtime.clock.now())
    if said.email is not None and not confirmed:
        message = "Confirm your password first: a new address needs it. Nothing was changed."
        raise Forbidden("CONFIRM_PASSWORD", message)
    with runtime.database.read() as session:
        earlier = answered_before(runtime, session, account.id, once)
        if earlier is not None:
            return request_view(session.get_one(PrivacyRequestRow, earlier))
    count_try(runtime, "privacy-request", account.id, limit=A_DAY, seconds=DAY)
    if said.email is not None:
        ask_address_change(runtime, by, said.email)  # first, as it may be refused; the request waits for its link
    with runtime.database.write() as session:
        # All admins first, in their order, then this person: two who leave at once wait for each other, once.
        check_may_leave(session, account.id, right)
        lock_person(session, account.id)  # two clicks ask once
        row = new_request(runtime, session, account.id, right, said, channel=channel)
        answer = answer_once(runtime, session, account.id, once, row.id)
        if answer != row.id:
            session.expunge(row)
            return request_view(session.get_one(PrivacyRequestRow, answer))
        add_request(runtime, session, row, "person", account.id)
        if confirmed:
            row.identity = "session"
            move(runtime, session, row, "verified", "system", "identity_session")
            tell_received(runtime, session, account, row)
            begin(runtime, session, row, account, said, keep=by.id)
        else:
            move(runtime, session, row, "awaiting_identity", "system", "identity_asked")
            mail_link(runtime, session, account, row)
        record_act(
            runtime, session, "privacy.asked",
            actor_id=account.id, subject_id=account.id, request=row.id, right=right, channel=channel,
        )  # fmt: skip
    return go_on(runtime, row.id, right)


def enter_request(
    runtime: Runtime,
    by: SessionView,
    *,
    email: str,
    right: Right,
    channel: Channel,
    received_at: datetime,
    details: Details | None = None,
    evidence: str = "",
) -> PrivacyRequestView:
    """Enter what came by letter or mail. Its clock runs from the day it came in, which is never in the future.

    `evidence`: what showed who asked, in words and without copies of documents; without it the person is mailed a
    link. Raises Forbidden, InvalidInput, NotFound, Conflict REQUEST_OPEN or LAST_ADMIN.
    """
    said, seen, now = _checked(right, details or Details()), clean_text(evidence), runtime.clock.now()
    if channel not in ("letter", "mail"):
        raise InvalidInput("UNKNOWN_CHANNEL", "Choose letter or mail.", field="channel")
    if received_at > now:
        raise InvalidInput("NOT_RECEIVED_YET", "The day it came in cannot be in the future.", field="received_at")
    if said.email is not None:
        raise InvalidInput("NOT_FOR_OTHERS", "A new address is entered by its owner, who confirms it.", field="email")
    check_privacy_admin(runtime, by, "", confirmed=True)
    account = find_account(runtime, email)
    if account is None or account.is_operator:
        message = "There is no account with this address: answer that nothing is held about it."
        raise NotFound("ACCOUNT_NOT_FOUND", message, field="email")
    check_privacy_admin(runtime, by, account.id)
    with runtime.database.write() as session:
        check_may_leave(session, account.id, right)
        lock_person(session, account.id)
        row = new_request(runtime, session, account.id, right, said, channel=channel, received_at=received_at)
        add_request(runtime, session, row, "privacy_admin", by.account.id)
        if seen:
            row.identity = "evidence"
            note(runtime, session, row, "privacy_admin", "identity_evidence", actor_id=by.account.id, text=seen)
            move(runtime, session, row, "verified", "system", "identity_noted")
            tell_received(runtime, session, account, row)
            begin(runtime, session, row, account, said, keep=None)
        else:
            move(runtime, session, row, "awaiting_identity", "system", "identity_asked")
            mail_link(runtime, session, account, row)
        record_act(
            runtime, session, "privacy.entered",
            actor_id=by.account.id, subject_id=account.id, request=row.id, right=right, channel=channel,
        )  # fmt: skip
    return go_on(runtime, row.id, right)


def new_request(
    runtime: Runtime,
    session: Session,
    account_id: str,
    right: Right,
    details: Details,
    *,
    channel: Channel,
    received_at: datetime | None = None,
) -> PrivacyRequestRow:
    """A request that is not written yet. Raises Conflict REQUEST_OPEN."""
    waiting = open_request(session, account_id, right)
    if waiting is not None and right not in SEVERAL:
        message = "You asked for this already, and it is not answered yet. My data says where it stands."
        raise Conflict("ERASURE_ASKED" if right == "erasure" else "REQUEST_OPEN", message, request=waiting.id)
    request_id, received = runtime.ids.new(), received_at or runtime.clock.now()
    return PrivacyRequestRow(
        id=request_id,
        account_id=account_id,
        right=right,
        status="received",
        received_at=received,
        due_at=due_at(received),
        fence=0,
        channel=channel,
        details=seal_details(runtime, account_id, request_id, details),
    )


def add_request(runtime: Runtime, session: Session, row: PrivacyRequestRow, actor: Actor, actor_id: str | None) -> None:
    """Write a request and the first line of its time line."""
    session.add(row)
    session.flush()
    note(runtime, session, row, actor, "received", actor_id=actor_id)


def open_request(session: Session, account_id: str, right: Right) -> PrivacyRequestRow | None:
    """A person's request of a right that is not answered yet."""
    mine = (PrivacyRequestRow.account_id == account_id, PrivacyRequestRow.right == right)
    return session.scalar(select(PrivacyRequestRow).where(*mine, PrivacyRequestRow.status.in_(OPEN)).limit(1))


def go_on(runtime: Runtime, request_id: str, right: Right) -> PrivacyRequestView:
    """Carry out now what takes a moment, and answer where the request stands."""
    if right in AT_ONCE:
        advance_request(runtime, request_id)
    with runtime.database.read() as session:
        return request_view(session.get_one(PrivacyRequestRow, request_id))


def _checked(right: Right, details: Details) -> Details:
    said = clean_details(right, details)
    language = None if said.language is None else clean_language(said.language)
    email = None if said.email is None else clean_email(said.email)
    return replace(said, language=language, email=email)
