"""One-time links that are mailed: a random token, of which a keyed hash is kept, used once and before its end."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import delete, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.models import AccountLinkRow
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden

Purpose = Literal["reset", "address", "address_undo"]
LIVES: dict[Purpose, timedelta] = {
    "reset": timedelta(hours=1),
    "address": timedelta(hours=24),
    "address_undo": timedelta(days=7),
}


def make_link(
    runtime: Runtime, session: Session, purpose: Purpose, account_id: str | None, *, address: str | None = None
) -> str:
    """A token, written in the caller's transaction; earlier ones of the purpose end. None: a decoy, for nobody."""
    token, now = secrets.token_urlsafe(32), runtime.clock.now()
    row = AccountLinkRow(
        token_hash=_hash(runtime, purpose, token),
        account_id=account_id,
        purpose=purpose,
        created_at=now,
        expires_at=now + LIVES[purpose],
    )
    if account_id is not None and address is not None:
        row.address = runtime.vault.seal_text(account_id, _where(row), address)
    # Taking a change back stays possible for each change.
    if purpose != "address_undo":
        earlier = (AccountLinkRow.account_id == account_id, AccountLinkRow.purpose == purpose)
        session.execute(delete(AccountLinkRow).where(*earlier, AccountLinkRow.account_id.is_not(None)))
    session.add(row)
    return token


def read_link(runtime: Runtime, session: Session, purpose: Purpose, token: str) -> AccountLinkRow:
    """The link a token names, unused so far. Raises Forbidden LINK_INVALID."""
    found = (AccountLinkRow.token_hash == _hash(runtime, purpose, token), AccountLinkRow.purpose == purpose)
    live = AccountLinkRow.expires_at > runtime.clock.now()
    row = session.scalar(select(AccountLinkRow).where(*found, live, AccountLinkRow.account_id.is_not(None)))
    if row is None:
        raise invalid()
    return row


@dataclass(frozen=True, slots=True)
class UsedLink:
    """What a link that was used said: whose it is, its address, when it was made."""

    account_id: str
    address: str | None
    created_at: datetime


def use_link(runtime: Runtime, session: Session, purpose: Purpose, token: str) -> UsedLink:
    """Use a link up in the caller's transaction. Raises Forbidden LINK_INVALID."""
    row = read_link(runtime, session, purpose, token)
    assert row.account_id is not None
    address = row.address and runtime.vault.open_text(row.account_id, _where(row), row.address)
    # Of two that come at once, one deletes it.
    used = session.execute(delete(AccountLinkRow).where(AccountLinkRow.token_hash == row.token_hash))
    if cast(CursorResult[Any], used).rowcount != 1:
        raise invalid()
    return UsedLink(row.account_id, address or None, row.created_at)


def end_links(session: Session, account_id: str, *purposes: Purpose) -> None:
    """End a person's links, in the caller's transaction."""
    session.execute(
        delete(AccountLinkRow).where(AccountLinkRow.account_id == account_id, AccountLinkRow.purpose.in_(purposes))
    )


def end_later_undos(session: Session, account_id: str, since: datetime) -> None:
    """End the links that take back changes made since a moment: with the change before them they are taken back too.

    Those of earlier changes stay: who took an account over must not be able to end its owner's.
    """
    undos = (AccountLinkRow.account_id == account_id, AccountLinkRow.purpose == "address_undo")
    session.execute(delete(AccountLinkRow).where(*undos, AccountLinkRow.created_at >= since))


def delete_old_links(runtime: Runtime, *, before: datetime) -> int:
    """Delete links that ended before a moment; returns how many."""
    with runtime.database.write() as session:
        done = session.execute(delete(AccountLinkRow).where(AccountLinkRow.expires_at < before))
        return cast(CursorResult[Any], done).rowcount


def invalid() -> Forbidden:
    """What a link that cannot be used is refused with."""
    return Forbidden("LINK_INVALID", "This link was used, has ended, or was followed by a newer one. Ask for another.")


def _where(row: AccountLinkRow) -> str:
    return f"account_links.address:{row.token_hash.hex()}"


def _hash(runtime: Runtime, purpose: str, token: str) -> bytes:
    return runtime.vault.blind_index(f"link:{purpose}", token)
