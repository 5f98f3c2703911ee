"""What happens as soon as it is known who asked: effects that cannot wait, then a decision, or the work itself."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.accounts.audit import record_act
from core.accounts.automation import pause
from core.accounts.domain import Account
from core.accounts.postings import end_sessions, write_objection
from core.accounts.roles import check_not_last_admin, lock_admins
from core.execution.review_queries import comments_by_link
from core.platform.runtime import Runtime
from core.privacy.domain import ERASURE_AFTER, OPEN, Details, Right, needs_decision, restricts
from core.privacy.models import PrivacyRequestRow
from core.privacy.postings import move, note
from core.privacy.restrictions import begin_restriction


def check_may_leave(session: Session, account_id: str, right: Right) -> None:
    """Raises Conflict LAST_ADMIN for a deletion that would leave nobody in charge. Locks all admins, in their order."""
    if right != "erasure":
        return
    leaving = select(PrivacyRequestRow.account_id).where(
        PrivacyRequestRow.right == "erasure", PrivacyRequestRow.status.in_(OPEN)
    )
    lock_admins(session)
    check_not_last_admin(session, account_id, leaving=frozenset(session.scalars(leaving)))


def begin(
    runtime: Runtime,
    session: Session,
    row: PrivacyRequestRow,
    account: Account,
    details: Details,
    *,
    keep: str | None,
) -> None:
    """Go on with a verified request. `keep`: the sign-in that stays when the others end."""
    right: Right = row.right  # type: ignore[assignment]
    now = runtime.clock.now()
    if right == "erasure":
        end_sessions(runtime, session, account.id, keep=keep)
        pause(runtime, session, account.id)  # nothing new is made of what is about to go
    if right == "objection":
        write_objection(session, account.id, now)
        record_act(runtime, session, "privacy.objected", actor_id=account.id, subject_id=account.id, request=row.id)
    if restricts(right, details) and begin_restriction(runtime, session, row):
        note(runtime, session, row, "system", "restricted")
        record_act(runtime, session, "privacy.restricted", actor_id=account.id, subject_id=account.id, request=row.id)
    others = len(comments_by_link(runtime, session, account.id)) if right == "access" else 0
    why = needs_decision(right, details, others)
    if why is not None:
        move(runtime, session, row, "awaiting_decision", "system", f"decide_{why}")
        return
    if right == "erasure" and not details.at_once:
        row.start_at = now + ERASURE_AFTER
    move(runtime, session, row, "scheduled", "system", "scheduled")
