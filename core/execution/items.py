"""The items of a `map` that failed, each with its own error."""

import re
from dataclasses import dataclass

from sqlalchemy import select

from core.execution.journal import open_content
from core.execution.models import StepRunRow
from core.platform.runtime import Runtime

SHOWN = 100
SCANNED = 2_000


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that came to no output. `number` counts from 1; `step_id` is the step inside that failed."""

    number: int
    step_id: str
    code: str
    message: str


def failed_items(
    runtime: Runtime, owner_id: str, run_id: str, step_id: str, *, limit: int = SHOWN
) -> tuple[FailedItem, ...]:
    """The failed items of a `map`, by number; of each its newest attempt counts."""
    mine = (StepRunRow.run_id == run_id, StepRunRow.owner_id == owner_id)
    inside = StepRunRow.frame.startswith(f"{step_id}", autoescape=True)
    query = select(StepRunRow).where(*mine, inside, StepRunRow.error_code.is_not(None))
    with runtime.database.read() as session:
        rows = session.scalars(query.order_by(StepRunRow.id.desc()).limit(SCANNED)).all()
    pattern = re.compile(rf"{re.escape(step_id)}(?:@\d+)?\[(\d+)(:\d+)?\]/")
    found: dict[int, FailedItem] = {}
    batches: set[str] = set()
    for row in rows:
        match = pattern.match(row.frame)
        if match is None or row.status != "failed" or (match[2] and row.frame in batches):
            continue
        content = open_content(runtime, row)
        if match[2]:
            batches.add(row.frame)
            items = content.get("items")
            for number, message in (items if isinstance(items, dict) else {}).items():
                at = int(number) + 1
                found.setdefault(at, FailedItem(at, step_id, "ITEM_FAILED", str(message)))
            continue
        at = int(match[1]) + 1
        found.setdefault(at, FailedItem(at, row.step_id, str(row.error_code), str(content.get("error") or "")))
    return tuple(found[number] for number in sorted(found))[:limit]
