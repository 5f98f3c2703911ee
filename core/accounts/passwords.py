"""Passwords: forgotten, set anew by a mailed link, changed, and set by an operator."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import Account, SessionView, check_password, clean_email
from core.accounts.hashing import hash_password
from core.accounts.letters import tell
from core.accounts.links import LIVES, end_links, make_link, read_link, use_link
from core.accounts.models import AccountRow
from core.accounts.postings import end_sessions
from core.accounts.queries import account_view, find_account
from core.accounts.sessions import check_password_again
from core.accounts.throttle import client_network
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded, NotFound

ASKED_A_CLIENT, ASKED_AN_ADDRESS, HOUR = 30, 5, 3600


def forget_password(runtime: Runtime, *, email: str, client_host: str | None = None) -> None:
    """Mail a link with which a new password is set; for an unknown address the same is done, but nothing mailed.

    What is no address, and an address that asks too often, is answered like any other. Raises LimitExceeded for a
    client that asks for many.
    """
    client = client_network(client_host)
    if client:
        count_try(runtime, "forgot-client", client, limit=ASKED_A_CLIENT, seconds=HOUR)
    try:
        address = clean_email(email)
        count_try(runtime, "forgot-address", address, limit=ASKED_AN_ADDRESS, seconds=HOUR)
    except (InvalidInput, LimitExceeded):
        return
    index = runtime.vault.blind_index("email", address)
    with runtime.database.write() as session:
        row = session.scalar(select(AccountRow).where(AccountRow.email_index == index))
        token = make_link(runtime, session, "reset", row.id if row else None)
        if row is not None:
            _mail_link(runtime, session, account_view(runtime, row), token)
            return
        operator = session.scalar(select(AccountRow).where(AccountRow.is_operator))
        if operator is not None:  # the same work for nobody: it is written, and taken back
            with session.begin_nested() as nothing:
                _mail_link(runtime, session, account_view(runtime, operator), token, to=address)
                nothing.rollback()


def _mail_link(runtime: Runtime, session: Session, account: Account, token: str, *, to: str | None = None) -> None:
    values = {
        "reset_url": f"{runtime.settings.public_url}/auth/reset?token={token}",
        "minutes": str(int(LIVES["reset"].total_seconds() // 60)),
    }
    tell(runtime, session, account, "reset_password", values, to=to)


def check_reset_link(runtime: Runtime, token: str) -> None:
    """Raises Forbidden LINK_INVALID for a link that sets no password any more."""
    with runtime.database.read() as session:
        read_link(runtime, session, "reset", token)


def reset_password(runtime: Runtime, *, token: str, password: str) -> None:
    """Set a new password with a mailed link, which works once; every sign-in ends.

    Raises Forbidden LINK_INVALID, InvalidInput (the link stays usable).
    """
    with runtime.database.read() as session:
        row = session.get(AccountRow, read_link(runtime, session, "reset", token).account_id)
    if row is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no account of this link any more.")
    hashed = _new_hash(runtime, account_view(runtime, row), password)
    with runtime.database.write() as session:
        account_id = use_link(runtime, session, "reset", token).account_id
        _store(runtime, session, account_id, hashed, act="password.reset", actor_id=account_id)


def change_password(
    runtime: Runtime, view: SessionView, *, current: str, password: str, client_host: str | None = None
) -> None:
    """Set a new password knowing the present one; the other sign-ins end.

    Raises Forbidden INVALID_CREDENTIALS (field `current`), InvalidInput, LimitExceeded.
    """
    _ask(runtime, view, current, client_host)
    if password == current:
        raise InvalidInput("SAME_PASSWORD", "This is your present password. Choose another.", field="password")
    hashed = _new_hash(runtime, view.account, password)
    with runtime.database.write() as session:
        account_id = view.account.id
        _store(runtime, session, account_id, hashed, act="password.changed", actor_id=account_id, keep=view.id)


def set_password(runtime: Runtime, *, email: str, password: str) -> None:
    """Set a person's password, as an operator; every sign-in of theirs ends. Raises NotFound, InvalidInput."""
    account = find_account(runtime, email)
    if account is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no account with this address.")
    hashed = _new_hash(runtime, account, password)
    with runtime.database.write() as session:
        _store(runtime, session, account.id, hashed, act="password.set", actor_id=None)


def _ask(runtime: Runtime, view: SessionView, current: str, client_host: str | None) -> None:
    # The second factor is not asked for, as a known password is only replaced by another; so nothing is confirmed.
    try:
        check_password_again(runtime, view.account, current, client_host=client_host)
    except Forbidden as error:
        raise Forbidden(error.code, "This is not your present password.", field="current") from None


def _new_hash(runtime: Runtime, account: Account, password: str) -> str:
    check_password(password, hints=(account.email, account.name))
    return hash_password(runtime, password)


def _store(
    runtime: Runtime,
    session: Session,
    account_id: str,
    hashed: str,
    *,
    act: str,
    actor_id: str | None,
    keep: str | None = None,
) -> None:
    row = session.get_one(AccountRow, account_id)
    row.password_hash, row.password_changed_at = hashed, runtime.clock.now()
    end_sessions(runtime, session, account_id, keep=keep)
    end_links(session, account_id, "reset", "address")  # what was asked for before, perhaps by somebody else
    tell(runtime, session, account_view(runtime, row), "password_changed")
    record_act(runtime, session, act, actor_id=actor_id, subject_id=account_id)
