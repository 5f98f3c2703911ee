"""What left the installation as a whole, for who runs it: counts, and nothing that fewer than five people share."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from core.execution.departures import NOT_SENT
from core.execution.egress_queries import split
from core.execution.models import EgressRow
from core.platform.runtime import Runtime

FEWEST_PEOPLE = 5
"""What fewer people share could tell of one of them: it is folded into one row."""


@dataclass(frozen=True, slots=True)
class TotalFlow:
    """What went to one recipient of everybody's. `recipient` is None for all that few people share, folded together.

    `people` is None there. `categories` are those found in what at least five people sent.
    """

    kind: str | None
    recipient: str | None
    region: str | None
    times: int
    people: int | None
    categories: tuple[str, ...]


def total_flows(runtime: Runtime, since: datetime, until: datetime) -> tuple[TotalFlow, ...]:
    """By recipient, the most frequent first, what is folded last. What never left is not counted."""
    seen = (EgressRow.at >= since, EgressRow.at < until, EgressRow.outcome != NOT_SENT)
    keys = (EgressRow.kind, EgressRow.recipient, EgressRow.region)
    counts = select(*keys, func.count(), func.count(EgressRow.owner_id.distinct())).where(*seen).group_by(*keys)
    found = (*keys, EgressRow.categories, EgressRow.owner_id)
    with_data = select(*found).where(*seen, EgressRow.categories.is_not(None), EgressRow.categories != "").distinct()
    with runtime.database.read() as session:
        totals = session.execute(counts).all()
        people: dict[tuple[str, str, str | None, str], set[str]] = {}
        for kind, recipient, region, categories, owner_id in session.execute(with_data).tuples():
            for category in split(categories):
                people.setdefault((kind, recipient, region, category), set()).add(owner_id)
    shared = [
        TotalFlow(kind, recipient, region, times, owners, _common(people, (kind, recipient, region)))
        for kind, recipient, region, times, owners in totals
        if owners >= FEWEST_PEOPLE
    ]
    shared.sort(key=lambda flow: (-flow.times, flow.recipient or ""))
    folded = sum(times for *_, times, owners in totals if owners < FEWEST_PEOPLE)
    return (*shared, *([TotalFlow(None, None, None, folded, None, ())] if folded else []))


def _common(
    people: dict[tuple[str, str, str | None, str], set[str]], key: tuple[str, str, str | None]
) -> tuple[str, ...]:
    found: Iterable[str] = (
        category
        for (*known, category), owners in people.items()
        if tuple(known) == key and len(owners) >= FEWEST_PEOPLE
    )
    return tuple(sorted(found))
