"""Suspending an account: an admin's act, for a reason that the person is mailed.

Who is suspended cannot sign in, their sign-ins end, their API keys are refused, and nothing new begins for them: no
run, no time of a schedule. What had begun goes on to its end. Their data is kept, and rights over it are used by the
public form. `core.accounts.standing` is where everybody asks.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.domain import SessionView
from core.accounts.letters import tell
from core.accounts.links import end_links
from core.accounts.models import AccountRow
from core.accounts.postings import end_sessions
from core.accounts.queries import account_view
from core.accounts.reasons import clean_reason
from core.accounts.roles import check_admin, check_not_last_admin, lock_admins
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Conflict, NotFound

PRIVACY = "/privacy/request"


def suspend(runtime: Runtime, by: SessionView, account_id: str, reason: str) -> int:
    """Suspend an account; answers how many sign-ins ended. Who is suspended already stays so, under the first reason.

    Raises Forbidden NOT_ADMIN or CONFIRM_PASSWORD, InvalidInput, NotFound, and Conflict for one's own account, the
    last admin, and an account that is being deleted.
    """
    check_admin(runtime, by, confirmed=True)
    said = clean_reason(reason)
    if account_id == by.account.id:
        raise Conflict("OWN_ACCOUNT", "Nobody suspends their own account. Another admin can.")
    with runtime.database.write() as session:
        check_not_last_admin(session, account_id)
        row = _lock(session, account_id)
        _check_still_admin(session, by)
        if row.suspended_at is not None:
            return 0
        account, now = account_view(runtime, row), runtime.clock.now()
        row.suspended_at = now
        row.suspension_reason = runtime.vault.seal_text(account_id, _place(account_id), said)
        session.flush()
        ended = end_sessions(runtime, session, account_id)
        end_links(session, account_id, "address")
        values = {"reason": said, "privacy_url": runtime.settings.public_url + PRIVACY}
        tell(runtime, session, account, "account_suspended", values)
        record_act(
            runtime, session, "account.suspended", actor_id=by.account.id, subject_id=account_id, ended=ended
        )  # fmt: skip
    return ended


def end_suspension(runtime: Runtime, by: SessionView, account_id: str) -> None:
    """Let a person in again, and their schedules and keys go on; they are told. Nothing happens where none is.

    Raises Forbidden, NotFound.
    """
    check_admin(runtime, by, confirmed=True)
    with runtime.database.write() as session:
        lock_admins(session)
        row = _lock(session, account_id)
        _check_still_admin(session, by)
        if row.suspended_at is None:
            return
        row.suspended_at = row.suspension_reason = None
        session.flush()
        tell(runtime, session, account_view(runtime, row), "suspension_ended")
        record_act(
            runtime, session, "account.suspension_ended", actor_id=by.account.id, subject_id=account_id
        )  # fmt: skip


def sign_out_person(runtime: Runtime, by: SessionView, account_id: str) -> int:
    """End all of a person's sign-ins, but this one where it is the admin's own; answers how many. Raises Forbidden."""
    check_admin(runtime, by, confirmed=True)
    with runtime.database.write() as session:
        keep = by.id if account_id == by.account.id else None
        ended = end_sessions(runtime, session, account_id, keep=keep)
        end_links(session, account_id, "address")
        record_act(
            runtime, session, "session.ended_everywhere",
            actor_id=by.account.id, subject_id=account_id, ended=ended,
        )  # fmt: skip
    return ended


def suspension_reason(runtime: Runtime, account_id: str) -> str:
    """The words that the person was mailed; empty where there are none, or their key is gone."""
    with runtime.database.read() as session:
        sealed = session.scalar(select(AccountRow.suspension_reason).where(AccountRow.id == account_id))
    if sealed is None:
        return ""
    try:
        return runtime.vault.open_text(account_id, _place(account_id), sealed)
    except AppError as gone:
        if gone.code != "KEY_GONE":
            raise
        return ""


def _lock(session: Session, account_id: str) -> AccountRow:
    mine = select(AccountRow).where(AccountRow.id == account_id).with_for_update()
    row = session.scalar(mine.execution_options(populate_existing=True))
    if row is None or row.is_operator:
        raise NotFound("ACCOUNT_NOT_FOUND", "There is no such account.")
    if row.closing_at is not None:
        raise Conflict("ACCOUNT_CLOSING", "This account is being deleted. Nothing was changed.")
    return row


def _check_still_admin(session: Session, by: SessionView) -> None:
    """Two admins who suspend each other at once must not both succeed: whoever came second is none any more."""
    if by.account.id not in lock_admins(session):
        raise Conflict("NOT_ADMIN_ANY_MORE", "Your own account was changed meanwhile. Nothing was done.")


def _place(account_id: str) -> str:
    return f"accounts.suspension_reason:{account_id}"
