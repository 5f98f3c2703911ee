"""What is left out of a copy because it is somebody else's (GDPR Art. 15(4)).

Two sorts: what an admin marked when the request was decided, and what is another person's by its nature.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.platform.database import Base
from core.shared.types import JsonValue

MARKED = "privacy_redactions"
"""The table of what admins marked: whole rows, by the table they are in."""
CARRIED = "secrets"
"""What a delivery waiting to be sent may carry, and nobody is shown."""


@dataclass(frozen=True, slots=True)
class Redactions:
    """Fields to leave out, as `(table, row, column)`; a column of None means every field of the row."""

    fields: frozenset[tuple[str, str, str | None]] = field(default=frozenset())

    def leave_out(self, table: str, row: str, column: str) -> bool:
        """Whether a field is left out."""
        return (table, row, column) in self.fields or (table, row, None) in self.fields


def redactions_of(session: Session, request_id: str, more: Iterable[tuple[str, str, str | None]] = ()) -> Redactions:
    """What was marked for a request."""
    found = set(more)
    table = Base.metadata.tables.get(MARKED)
    if table is not None:
        marked = select(table.c.place, table.c.row_id).where(table.c.request_id == request_id)
        found.update((place, row, None) for place, row in session.execute(marked).tuples())
    return Redactions(frozenset(found))


def without_others(table: str, column: str, value: JsonValue, account_id: str) -> JsonValue:
    """A value without what names another person: who decided a review, whom an invitation went to."""
    if (table, column) == ("reviews", "decided_by"):
        return "you" if value == account_id else value and _how(str(value))
    if (table, column) == ("invitations", "email"):
        return None
    if (table, column) == ("deliveries", "request") and isinstance(value, dict):
        return {name: each for name, each in value.items() if name != CARRIED}
    return value


def _how(decided_by: str) -> str:
    """`link` and `timeout` say how; an id is somebody's."""
    return decided_by if decided_by.isalpha() else "somebody else"
