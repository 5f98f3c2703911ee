"""Reading requests of data subjects."""

from typing import cast

from sqlalchemy import select

from core.platform.runtime import Runtime
from core.privacy.domain import OPEN, Outcome, PrivacyRequestView, Right, Status
from core.privacy.models import PrivacyRequestRow


def open_erasure(runtime: Runtime, account_id: str) -> PrivacyRequestView | None:
    """The deletion a person asked for and did not take back."""
    mine = (PrivacyRequestRow.account_id == account_id, PrivacyRequestRow.right == "erasure")
    with runtime.database.read() as session:
        row = session.scalar(select(PrivacyRequestRow).where(*mine, PrivacyRequestRow.status.in_(OPEN)))
    return request_view(row) if row else None


def open_requests(runtime: Runtime) -> tuple[PrivacyRequestView, ...]:
    """Every request that waits, the one due first at the top."""
    waiting = select(PrivacyRequestRow).where(PrivacyRequestRow.status.in_(OPEN)).order_by(PrivacyRequestRow.due_at)
    with runtime.database.read() as session:
        return tuple(request_view(row) for row in session.scalars(waiting))


def request_view(row: PrivacyRequestRow) -> PrivacyRequestView:
    """A frozen view of a row."""
    return PrivacyRequestView(
        id=row.id,
        account_id=row.account_id,
        right=cast(Right, row.right),
        status=cast(Status, row.status),
        received_at=row.received_at,
        due_at=row.due_at,
        closed_at=row.closed_at,
        outcome=cast(Outcome | None, row.outcome),
        start_at=row.start_at,
    )
