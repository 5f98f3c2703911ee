"""Events that are in the database and not in the lake yet, one by one."""

import json
from typing import Any

from sqlalchemy import select

from core.analytics.models import BatchRow
from core.platform.runtime import Runtime


def waiting_events(runtime: Runtime, event: str | None = None) -> list[dict[str, Any]]:
    """All of them, or those of a kind, batch by batch; each batch is as long as it says."""
    with runtime.database.read() as session:
        batches = list(session.scalars(select(BatchRow)))
    found = [json.loads(batch.events) for batch in batches]
    assert [len(events) for events in found] == [batch.size for batch in batches]
    return [each for events in found for each in events if event in (None, each["event"])]
