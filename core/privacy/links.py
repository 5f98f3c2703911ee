"""Mailed links that show who asked: a random token, of which a keyed hash is kept, used once and before its end."""

import secrets
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.accounts.links import invalid
from core.platform.runtime import Runtime
from core.privacy.domain import LINK_LIFE
from core.privacy.letters import tell_link
from core.privacy.models import PrivacyRequestRow, RequestLinkRow


def mail_link(
    runtime: Runtime, session: Session, account: Account, row: PrivacyRequestRow, *, to: str | None = None
) -> None:
    """Mail a link in the caller's transaction. An earlier one of the request ends."""
    session.execute(delete(RequestLinkRow).where(RequestLinkRow.request_id == row.id))
    tell_link(runtime, session, account, row, add_link(runtime, session, row.id), to=to)


def add_link(runtime: Runtime, session: Session, request_id: str | None) -> str:
    """A token; without a request one of nobody's, which works for nothing."""
    token, now = secrets.token_urlsafe(32), runtime.clock.now()
    made = RequestLinkRow(
        token_hash=_hash(runtime, token), request_id=request_id, created_at=now, expires_at=now + LINK_LIFE
    )
    session.add(made)
    session.flush()
    return token


def request_of_link(runtime: Runtime, session: Session, token: str) -> str:
    """The id of the request that a link is for. Raises Forbidden LINK_INVALID."""
    found = (
        RequestLinkRow.token_hash == _hash(runtime, token),
        RequestLinkRow.expires_at > runtime.clock.now(),
        RequestLinkRow.request_id.is_not(None),
    )
    request_id = session.scalar(select(RequestLinkRow.request_id).where(*found))
    if request_id is None:
        raise invalid()
    return request_id


def use_up(runtime: Runtime, session: Session, token: str) -> None:
    """End a link. Raises Forbidden LINK_INVALID for the second of two that come at once."""
    used = session.execute(delete(RequestLinkRow).where(RequestLinkRow.token_hash == _hash(runtime, token)))
    if cast(CursorResult[Any], used).rowcount != 1:
        raise invalid()


def end_request_links(session: Session, request_id: str) -> None:
    """End the links of a request."""
    session.execute(delete(RequestLinkRow).where(RequestLinkRow.request_id == request_id))


def delete_old_links(session: Session, before: datetime) -> int:
    """Delete links that ended before a moment; answers how many."""
    done = session.execute(delete(RequestLinkRow).where(RequestLinkRow.expires_at < before))
    return cast(CursorResult[Any], done).rowcount


def _hash(runtime: Runtime, token: str) -> bytes:
    return runtime.vault.blind_index("link:privacy", token)
