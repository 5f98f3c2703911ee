"""An account that is being closed: nobody signs in to it any more, then it tells nothing, then there is none."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.accounts.models import AccountLinkRow, AccountRow, ApiKeyRow, RecoveryCodeRow
from core.accounts.postings import end_sessions
from core.accounts.queries import account_view
from core.accounts.roles import check_not_last_admin, lock_admins
from core.platform.ratelimits import forget_tries
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvariantViolated

OF_AN_ACCOUNT = ("second-factor", "address-change", "discount-code")
OF_AN_ADDRESS = ("forgot-address", "sign-up-address", "sign-in-address")
OF_BOTH_ENDS = ("sign-in", "sign-in-place")
"""Kinds of counted tries, by whom they are counted for. Others are counted for clients, and end within 30 days."""


def close_account(
    runtime: Runtime, session: Session, account_id: str, *, leaving: frozenset[str], even_last_admin: bool
) -> bytes | None:
    """End every way in, in the caller's transaction; answers the keyed hash of the address, which is free from now on.

    Done again it changes nothing, and answers None. Raises Conflict LAST_ADMIN.
    """
    lock_admins(session)
    mine = select(AccountRow).where(AccountRow.id == account_id).with_for_update()
    row = session.scalar(mine.execution_options(populate_existing=True))
    if row is None:
        return None
    if row.is_operator:
        raise Conflict("OPERATOR", "This is the installation's own account: it belongs to nobody.")
    if not even_last_admin:
        check_not_last_admin(session, account_id, leaving=leaving)
    now, index = runtime.clock.now(), row.email_index
    row.closing_at = row.closing_at or now
    row.automation_paused_at = row.automation_paused_at or now
    row.email_index = row.password_hash = None
    row.roles = ""
    session.flush()
    end_sessions(runtime, session, account_id)
    for table in (AccountLinkRow, ApiKeyRow, RecoveryCodeRow):
        session.execute(delete(table).where(table.account_id == account_id))
    return index


def identity_of(runtime: Runtime, account_id: str) -> tuple[str, str, str]:
    """Address, name and language of a person; empty where there is no account, or its key is gone."""
    with runtime.database.read() as session:
        row = session.get(AccountRow, account_id)
    if row is None:
        return "", "", "en"
    try:
        account = account_view(runtime, row)
    except InvariantViolated:
        return "", "", row.language or "en"
    return account.email, account.name, account.language


def strip_account(runtime: Runtime, account_id: str) -> None:
    """Take everything sealed off an account whose key is about to go, so that lists of people go on opening."""
    nothing = {"email": None, "name": None, "totp_secret": None, "totp_on_at": None}
    with runtime.database.write() as session:
        session.execute(update(AccountRow).where(AccountRow.id == account_id).values(nothing))


def forget_person_tries(runtime: Runtime, account_id: str, address: str) -> None:
    """Forget how often this person, or somebody at this address, tried something."""
    for kind in OF_AN_ACCOUNT:
        forget_tries(runtime, kind, account_id)
    if address:
        for kind in OF_AN_ADDRESS:
            forget_tries(runtime, kind, address)
        for kind in OF_BOTH_ENDS:
            forget_tries(runtime, kind, f"{address} ")
