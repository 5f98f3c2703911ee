"""What left the installation, counted before somebody looks: adding up a million rows takes longer than a page may.

While the ledger is short a page counts for itself, so that what left a second ago is there. A long one is counted
every hour by a job, for each of the periods that a page offers, and the page shows what was counted, and when. What is
kept is what a page shows: nothing that fewer than five people share, and nobody.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.execution.egress_totals import TotalFlow, total_flows
from core.execution.models import EgressRow, EgressTotalsRow
from core.platform.bounded import count_up_to
from core.platform.runtime import Runtime

PERIODS = (7, 30, 90)
"""Days up to now that are counted."""
COUNTED_AT_ONCE = 20_000
"""Rows that a page adds up by itself."""
_AHEAD = timedelta(minutes=1)
"""What leaves now has a time that another process's clock gave it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What left in a period. `counted_at` is None for what was counted for the asking."""

    flows: tuple[TotalFlow, ...]
    counted_at: datetime | None


def totals_of(runtime: Runtime, days: int) -> Totals | None:
    """What left in the last so many days; None where there is much of it and it was not counted yet."""
    now = runtime.clock.now()
    since = now - timedelta(days=days)
    with runtime.database.read() as session:
        if _is_long(session, since):
            kept = session.get(EgressTotalsRow, days)
            return Totals(_opened(kept.content), kept.counted_at) if kept is not None else None
    return Totals(total_flows(runtime, since, now + _AHEAD), None)


def count_totals(runtime: Runtime) -> int:
    """Count every period anew and keep it; answers how many were too long for a page to count."""
    now, counted = runtime.clock.now(), 0
    for days in PERIODS:
        since = now - timedelta(days=days)
        with runtime.database.read() as session:
            if not _is_long(session, since):
                continue
        content = json.dumps([asdict(flow) for flow in total_flows(runtime, since, now + _AHEAD)])
        with runtime.database.write() as session:
            session.merge(EgressTotalsRow(days=days, content=content, counted_at=now))
        counted += 1
    return counted


def _is_long(session: Session, since: datetime) -> bool:
    """Whether more left since a moment than a page adds up by itself."""
    return count_up_to(session, select(EgressRow.at).where(EgressRow.at >= since), COUNTED_AT_ONCE) > COUNTED_AT_ONCE


def _opened(content: str) -> tuple[TotalFlow, ...]:
    rows: list[Mapping[str, Any]] = json.loads(content)
    return tuple(TotalFlow(**{**row, "categories": tuple(row["categories"])}) for row in rows)
