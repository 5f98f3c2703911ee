"""What is left out of a copy because it is somebody else's (GDPR Art. 15(4)).

Three sorts: rows that an admin marked when the request was decided, passages that are left out wherever they stand, and
what is another person's by its nature. What was decided once holds for later copies of that person as well: else a
second request would hand over what the first left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.execution.review_queries import comments_by_link
from core.platform.runtime import Runtime
from core.privacy.export.passages import Passages
from core.privacy.models import DecisionRow, PassageRow, PrivacyRequestRow, RedactionRow
from core.shared.types import JsonValue

CARRIED = "secrets"
"""What a delivery waiting to be sent may carry, and nobody is shown."""
WHOLE_COMMENT = 12
"""A comment of so many characters that is left out is so wherever it was handed on to; a shorter one, as `approved`,
is found by chance."""


@dataclass(frozen=True, slots=True)
class Redactions:
    """Fields to leave out, as `(table, row, column)`, a column of None meaning every field of the row; and passages."""

    fields: frozenset[tuple[str, str, str | None]] = field(default=frozenset())
    passages: Passages = field(default_factory=Passages)

    def leave_out(self, table: str, row: str, column: str) -> bool:
        """Whether a field is left out."""
        return (table, row, column) in self.fields or (table, row, None) in self.fields


def redactions_of(runtime: Runtime, session: Session, request_id: str) -> Redactions:
    """What was marked for a request, and for earlier ones of the same person that were decided."""
    account_id = session.scalar(select(PrivacyRequestRow.account_id).where(PrivacyRequestRow.id == request_id))
    if account_id is None:
        return Redactions()
    requests = [request_id, *_decided(session, account_id)]
    marked = select(RedactionRow.place, RedactionRow.row_id).where(RedactionRow.request_id.in_(requests))
    rows = set(session.execute(marked).tuples())
    texts = set(passages_of(runtime, session, account_id, requests))
    if any(place == "reviews" for place, _ in rows):
        said = comments_by_link(runtime, session, account_id)
        texts |= {
            " ".join(each.comment.split())
            for each in said
            if ("reviews", each.review_id) in rows and len(each.comment.strip()) >= WHOLE_COMMENT
        }
    return Redactions(frozenset((place, row, None) for place, row in rows), Passages(texts))


def passages_of(runtime: Runtime, session: Session, account_id: str, requests: Sequence[str]) -> tuple[str, ...]:
    """The passages that were marked for requests of a person, in their order."""
    marked = select(PassageRow).where(PassageRow.request_id.in_(list(requests))).order_by(PassageRow.id)
    return tuple(
        runtime.vault.open_text(account_id, passage_place(row.id), row.text) for row in session.scalars(marked)
    )


def passage_place(passage_id: str) -> str:
    """Where a passage is sealed for."""
    return f"privacy_passages.text:{passage_id}"


def _decided(session: Session, account_id: str) -> tuple[str, ...]:
    """A person's requests that were accepted, and signed as often as that takes."""
    final = (DecisionRow.state == "final", DecisionRow.verdict == "accept", PrivacyRequestRow.account_id == account_id)
    mine = select(PrivacyRequestRow.id).join(DecisionRow, DecisionRow.request_id == PrivacyRequestRow.id)
    return tuple(session.scalars(mine.where(*final)))


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
