"""The history of an admin's own queries. Nobody reads another's."""

from sqlalchemy import select

from core.accounts.domain import SessionView
from core.accounts.roles import check_admin
from core.analytics.console.commands import place_of
from core.analytics.console.domain import Asked
from core.analytics.console.models import ConsoleQueryRow
from core.platform.runtime import Runtime

SHOWN = 30


def my_queries(runtime: Runtime, by: SessionView, limit: int = SHOWN) -> tuple[Asked, ...]:
    """An admin's newest queries, newest first. Raises Forbidden for who is none."""
    check_admin(runtime, by)
    owner_id = by.account.id
    wanted = select(ConsoleQueryRow).where(ConsoleQueryRow.owner_id == owner_id)
    wanted = wanted.order_by(ConsoleQueryRow.created_at.desc(), ConsoleQueryRow.id.desc()).limit(limit)
    with runtime.database.read() as session:
        return tuple(
            Asked(
                row.id,
                runtime.vault.open_text(owner_id, place_of(row.id), row.query),
                row.days,
                row.outcome,  # type: ignore[arg-type]
                row.rows,
                row.milliseconds,
                row.created_at,
            )
            for row in session.scalars(wanted)
        )
