"""How a request that was carried out ended: whole, or with something left."""

import json

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.privacy.domain import Outcome
from core.privacy.models import PassageRow, RedactionRow, RequestStepRow

LEFT = "left"
"""A count of this name, above zero, says that a step could not do all of its work."""


def outcome_of(session: Session, request_id: str) -> Outcome:
    """`partial` where a step left something, or words of others were left out; else `fulfilled`."""
    for marks in (RedactionRow, PassageRow):
        if session.scalar(select(exists().where(marks.request_id == request_id))):
            return "partial"
    counts = session.scalars(select(RequestStepRow.counts).where(RequestStepRow.request_id == request_id))
    return "partial" if any(json.loads(each).get(LEFT, 0) for each in counts) else "fulfilled"
