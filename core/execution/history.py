"""Looking back: what happened in a run, and the earlier runs of one cell."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core.execution.domain import RunEvent, milliseconds
from core.execution.journal import open_content
from core.execution.models import StepRunRow
from core.execution.queries import events_after, run_status
from core.platform.runtime import Runtime
from core.shared.types import JsonValue

TRACE_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class CellRun:
    """What one run left of a cell: its newest attempt there."""

    run_id: str
    status: str
    model: str | None
    error: dict[str, JsonValue] | None
    output: JsonValue
    attempt: int
    credit_micros: int
    started_at: datetime
    duration_ms: int | None


def trace(runtime: Runtime, owner_id: str, run_id: str, step_id: str | None = None) -> tuple[RunEvent, ...]:
    """What happened in a run in order, live text left out; of one step where it is given. Raises NotFound."""
    run_status(runtime, owner_id, run_id)
    found = (event for event in events_after(runtime, run_id, 0, limit=TRACE_EVENTS) if event.kind != "token")
    return tuple(event for event in found if step_id is None or event.step_id == step_id)


def cell_runs(
    runtime: Runtime, owner_id: str, pipeline_id: str, step_id: str, *, limit: int = 10
) -> tuple[CellRun, ...]:
    """The newest runs that reached a cell of a pipeline, newest first, whatever came of them."""
    mine = (
        StepRunRow.owner_id == owner_id,
        StepRunRow.pipeline_id == pipeline_id,
        StepRunRow.step_id == step_id,
        StepRunRow.frame == "",
    )
    with runtime.database.read() as session:
        # A step has up to five attempts a run.
        newest = select(StepRunRow).where(*mine).order_by(StepRunRow.id.desc()).limit(limit * 5)
        rows = session.scalars(newest).all()
    views: dict[str, CellRun] = {}
    spent: dict[str, int] = {}
    for row in rows:
        spent[row.run_id] = spent.get(row.run_id, 0) + row.credit_micros
    for row in rows:
        if row.run_id in views or len(views) == limit:
            continue
        content = open_content(runtime, row)
        views[row.run_id] = CellRun(
            run_id=row.run_id,
            status=row.status,
            model=row.model,
            error={"code": row.error_code, "message": content.get("error")} if row.error_code else None,
            output=content.get("parsed"),
            attempt=row.attempt,
            credit_micros=spent[row.run_id],
            started_at=row.started_at,
            duration_ms=milliseconds(row.started_at, row.completed_at),
        )
    return tuple(views.values())
