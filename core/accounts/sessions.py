"""Sign-ins: opening, renewing and ending them, and asking for the password again before a dangerous act."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import LONGEST_SESSION, SESSION_LIFE, Account, SessionView, SignedIn
from core.accounts.hashing import password_matches
from core.accounts.links import end_links
from core.accounts.models import AccountRow, SessionRow
from core.accounts.postings import end_sessions
from core.accounts.second_factor import check_code
from core.accounts.throttle import admit_try, clear_try, client_network
from core.accounts.tokens import issue_token, read_token
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, NotFound

LONGEST_DEVICE = 300


def open_session(runtime: Runtime, session: Session, account: Account, device: str) -> SignedIn:
    """Write a session row in the caller's transaction and sign its token."""
    now, session_id = runtime.clock.now(), runtime.ids.new()
    expires_at = now + SESSION_LIFE
    row = SessionRow(
        id=session_id,
        account_id=account.id,
        device=runtime.vault.seal_text(account.id, f"sessions.device:{session_id}", device[:LONGEST_DEVICE]),
        created_at=now,
        last_used_at=now,
        confirmed_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.execute(update(AccountRow).where(AccountRow.id == account.id).values(signed_in_at=now))
    return SignedIn(issue_token(runtime, session_id, now=now, expires_at=expires_at), account, expires_at)


def renew(runtime: Runtime, view: SessionView) -> SignedIn:
    """A new token for a live session, which lives on from now; at most 90 days after its sign-in.

    Raises Forbidden UNAUTHENTICATED when it ended meanwhile.
    """
    now = runtime.clock.now()
    live = (SessionRow.id == view.id, SessionRow.ended_at.is_(None), SessionRow.expires_at > now)
    with runtime.database.write() as session:
        row = session.scalar(select(SessionRow).where(*live).with_for_update())
        if row is None:
            raise Forbidden("UNAUTHENTICATED", "This session has ended. Sign in again.")
        row.expires_at = min(now + SESSION_LIFE, row.created_at + LONGEST_SESSION)
        expires_at = row.expires_at
    return SignedIn(issue_token(runtime, view.id, now=now, expires_at=expires_at), view.account, expires_at)


def sign_out(runtime: Runtime, token: str | None) -> None:
    """End the session a token names; nothing happens when there is none."""
    session_id = read_token(runtime, token) if token else None
    if session_id is not None:
        with runtime.database.write() as session:
            open_row = (SessionRow.id == session_id, SessionRow.ended_at.is_(None))
            session.execute(update(SessionRow).where(*open_row).values(ended_at=runtime.clock.now()))


def end_session(runtime: Runtime, owner_id: str, session_id: str) -> None:
    """End one of a person's sign-ins. Raises NotFound."""
    mine = (SessionRow.id == session_id, SessionRow.account_id == owner_id, SessionRow.ended_at.is_(None))
    with runtime.database.write() as session:
        done = session.execute(update(SessionRow).where(*mine).values(ended_at=runtime.clock.now()))
        if cast(CursorResult[Any], done).rowcount != 1:
            raise NotFound("SESSION_NOT_FOUND", "There is no such sign-in, or it has ended.")


def sign_out_everywhere(runtime: Runtime, owner_id: str, *, keep: str | None = None) -> int:
    """End all of a person's sign-ins but `keep`; returns how many."""
    with runtime.database.write() as session:
        ended = end_sessions(runtime, session, owner_id, keep=keep)
        end_links(session, owner_id, "address")  # asked for in one of them, perhaps by somebody else
        record_act(runtime, session, "session.ended_everywhere", actor_id=owner_id, subject_id=owner_id, ended=ended)
    return ended


def confirm_password(
    runtime: Runtime, view: SessionView, password: str, *, code: str | None = None, client_host: str | None = None
) -> None:
    """Ask for the password again, and for the second factor where there is one: dangerous acts may follow for 10 min.

    Raises Forbidden INVALID_CREDENTIALS or SECOND_FACTOR_REQUIRED, LimitExceeded after too many tries.
    """
    account = view.account
    check_password_again(runtime, account, password, client_host=client_host)
    if account.has_second_factor:
        check_code(runtime, account.id, code)
    with runtime.database.write() as session:
        session.execute(update(SessionRow).where(SessionRow.id == view.id).values(confirmed_at=runtime.clock.now()))


def check_password_again(runtime: Runtime, account: Account, password: str, *, client_host: str | None = None) -> None:
    """Ask for the present password of somebody signed in, and note nothing: `confirm_password` does.

    Raises Forbidden INVALID_CREDENTIALS, LimitExceeded after too many tries.
    """
    client = client_network(client_host)
    admit_try(runtime, account.email, client)
    with runtime.database.read() as session:
        hashed = session.scalar(select(AccountRow.password_hash).where(AccountRow.id == account.id))
    if not password_matches(runtime, password, hashed):
        raise Forbidden("INVALID_CREDENTIALS", "The password is wrong.", field="password")
    clear_try(runtime, account.email, client)


def check_confirmed(runtime: Runtime, view: SessionView) -> None:
    """Raises Forbidden CONFIRM_PASSWORD where the password was not asked for in the last 10 minutes."""
    if not view.is_confirmed(runtime.clock.now()):
        raise Forbidden("CONFIRM_PASSWORD", "Confirm your password first: you did not enter it in the last 10 minutes.")


def delete_ended_sessions(runtime: Runtime, *, before: datetime) -> int:
    """Delete sessions that ended before a moment; returns how many."""
    over = or_(SessionRow.ended_at < before, SessionRow.expires_at < before)
    with runtime.database.write() as session:
        done = session.execute(delete(SessionRow).where(over))
        return cast(CursorResult[Any], done).rowcount
