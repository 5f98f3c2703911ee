"""Counting no further than somebody reads: "10,000+" says as much as the number, and costs the same at any number."""

from typing import Any

from sqlalchemy import Select, func, literal, select
from sqlalchemy.orm import Session

MANY = 10_000
"""As far as figures of pages count."""


def count_up_to(session: Session, rows: Select[Any], most: int = MANY) -> int:
    """How many rows a query finds; `most + 1` where there are more than `most`. It should go along an index."""
    found = rows.order_by(None).with_only_columns(literal(1), maintain_column_froms=True).limit(most + 1).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0
