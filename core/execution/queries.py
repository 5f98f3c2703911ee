"""Reading runs, their events and lists. Ownership is a condition of every query."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.orm import defer

from core.credits.domain import Quote
from core.execution import errors
from core.execution.domain import (
    ACTIVE,
    AttemptView,
    RunEvent,
    RunSummary,
    RunView,
    StepRunView,
    milliseconds,
)
from core.execution.journal import open_content, open_selection
from core.execution.models import RunEventRow, RunRow, StepRunRow
from core.pipelines.definition import Definition
from core.pipelines.queries import find_pipeline_ids, pipeline_names
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.money import credits_number
from core.shared.pages import Page
from core.shared.types import JsonValue

WITHOUT_CONTENT = (defer(RunRow.request), defer(RunRow.result))
"""For lists: what a run was given and made may be a megabyte each."""


def get_run(runtime: Runtime, owner_id: str, run_id: str) -> RunView:
    """A run with its steps. Raises NotFound, also for somebody else's."""
    with runtime.database.read() as session:
        row = session.scalar(select(RunRow).where(RunRow.id == run_id, RunRow.owner_id == owner_id))
        if row is None:
            raise errors.run_not_found()
        steps = session.scalars(
            select(StepRunRow).where(StepRunRow.run_id == run_id).order_by(StepRunRow.attempt)
        ).all()
    vault = runtime.vault
    request = cast(dict[str, Any], vault.open_json(owner_id, f"runs.request:{run_id}", row.request))
    result: dict[str, Any] = {"output": None, "error": None}
    if row.result is not None:
        result = cast(dict[str, Any], vault.open_json(owner_id, f"runs.result:{run_id}", row.result))
    definition = Definition.model_validate(request["definition"])
    selected = open_selection(request["selection"]).steps
    name = definition.name
    if row.pipeline_id is not None:
        name = pipeline_names(runtime, owner_id, {row.pipeline_id}).get(row.pipeline_id, name)
    return RunView(
        id=row.id,
        owner_id=owner_id,
        pipeline_id=row.pipeline_id,
        pipeline_name=name,
        pipeline_version=row.pipeline_version,
        trigger_type=row.trigger_type,
        status=row.status,
        funding_mode=row.funding_mode,
        definition=request["definition"],
        input_data=request["input"],
        output_data=result["output"],
        error=result["error"],
        quote=Quote(row.quote_low, row.quote_likely, row.quote_max),
        steps=_steps(runtime, definition, steps, row.status, selected),
        started_at=row.started_at,
        completed_at=row.completed_at,
        created_at=row.created_at,
        cancel_requested_at=row.cancel_requested_at,
    )


def list_runs(
    runtime: Runtime,
    owner_id: str,
    *,
    pipeline_id: str | None = None,
    status: str | None = None,
    text: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[RunSummary]:
    """A person's runs, newest first. `text` is looked for in pipeline names."""
    query = select(RunRow).where(RunRow.owner_id == owner_id)
    if pipeline_id:
        query = query.where(RunRow.pipeline_id == pipeline_id)
    if status:
        query = query.where(RunRow.status == status)
    if text:
        query = query.where(RunRow.pipeline_id.in_(find_pipeline_ids(runtime, owner_id, text)))
    if cursor:
        query = query.where(RunRow.id < cursor)
    with runtime.database.read() as session:
        rows = session.scalars(query.options(*WITHOUT_CONTENT).order_by(RunRow.id.desc()).limit(limit + 1)).all()
        ids = [row.id for row in rows[:limit]]
        sums = select(StepRunRow.run_id, func.sum(StepRunRow.credit_micros)).where(StepRunRow.run_id.in_(ids))
        credits = {
            run_id: int(total or 0) for run_id, total in session.execute(sums.group_by(StepRunRow.run_id)).tuples()
        }
    names = pipeline_names(runtime, owner_id, {row.pipeline_id for row in rows if row.pipeline_id})
    items = tuple(_summary(row, names, credits) for row in rows[:limit])
    return Page(items, items[-1].id if len(rows) > limit else None)


def active_run_id(runtime: Runtime, owner_id: str, pipeline_id: str) -> str | None:
    """The newest run of a pipeline that has not ended."""
    mine = (RunRow.owner_id == owner_id, RunRow.pipeline_id == pipeline_id, RunRow.status.in_(ACTIVE))
    with runtime.database.read() as session:
        return session.scalar(select(RunRow.id).where(*mine).order_by(RunRow.id.desc()).limit(1))


def run_status(runtime: Runtime, owner_id: str, run_id: str) -> str:
    """Only the status of a run. Raises NotFound."""
    with runtime.database.read() as session:
        status = session.scalar(select(RunRow.status).where(RunRow.id == run_id, RunRow.owner_id == owner_id))
    if status is None:
        raise errors.run_not_found()
    return status


def events_after(runtime: Runtime, run_id: str, seq: int, limit: int = 500) -> tuple[RunEvent, ...]:
    """Events of a run after `seq`, in order. The caller has checked whose run it is."""
    query = (
        select(RunEventRow, RunRow.owner_id)
        .join(RunRow, RunRow.id == RunEventRow.run_id)
        .where(RunEventRow.run_id == run_id, RunEventRow.seq > seq)
        .order_by(RunEventRow.seq)
        .limit(limit)
    )
    with runtime.database.read() as session:
        found = session.execute(query).tuples().all()
    events = []
    for row, owner_id in found:
        data = runtime.vault.open_json(owner_id, f"run_events.data:{row.run_id}/{row.seq}", row.data)
        events.append(RunEvent(row.seq, row.kind, row.step_id, cast(dict[str, JsonValue], data), row.at))
    return tuple(events)


def live_texts(runtime: Runtime, run_id: str) -> dict[str, str]:
    """The text streamed so far of the steps under way."""
    texts: dict[str, str] = {}
    for event in events_after(runtime, run_id, 0, limit=10_000):
        if event.kind == "token" and event.step_id is not None:
            texts[event.step_id] = texts.get(event.step_id, "") + str(event.data.get("text", ""))
    return texts


def run_as_dict(run: RunView) -> dict[str, JsonValue]:
    """A run exactly as the public API and `stepiq run --json` show it."""
    quoted: dict[str, JsonValue] = {
        "low": credits_number(run.quote.low_micros),
        "likely": credits_number(run.quote.likely_micros),
        "max": credits_number(run.quote.max_micros),
    }
    return {
        "id": run.id,
        "pipeline_id": run.pipeline_id,
        "pipeline_version": run.pipeline_version,
        "trigger_type": run.trigger_type,
        "status": run.status,
        "funding_mode": run.funding_mode,
        "input_data": run.input_data,
        "output_data": run.output_data,
        "error": run.error,
        "total_tokens": run.total_tokens,
        "total_cost_cents": credits_number(run.cost_micro_cents),
        "credits_quoted": quoted,
        "credits_deducted": credits_number(run.credit_micros),
        "started_at": iso_z(run.started_at) if run.started_at else None,
        "completed_at": iso_z(run.completed_at) if run.completed_at else None,
        "created_at": iso_z(run.created_at),
        "steps": [_step_as_dict(step) for step in run.steps],
    }


def _step_as_dict(step: StepRunView) -> dict[str, JsonValue]:
    return {
        "step_id": step.step_id,
        "step_index": step.step_index,
        "type": step.type,
        "model": step.model,
        "provider": step.provider,
        "status": step.status,
        "prompt_sent": step.prompt_sent,
        "raw_output": step.raw_output,
        "parsed_output": step.parsed_output,
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
        "cost_cents": credits_number(step.cost_micro_cents),
        "credits": credits_number(step.credit_micros),
        "duration_ms": step.duration_ms,
        "retry_count": step.retry_count,
        "stop_reason": step.stop_reason,
        "error": step.error,
        "started_at": iso_z(step.started_at) if step.started_at else None,
        "completed_at": iso_z(step.completed_at) if step.completed_at else None,
    }


def step_view(runtime: Runtime, rows: Sequence[StepRunRow]) -> StepRunView:
    """A step from its attempts, oldest first. Costs are those of all attempts."""
    newest = rows[-1]
    contents = {row.id: open_content(runtime, row) for row in rows}
    content = contents[newest.id]
    attempts = tuple(
        AttemptView(
            row.attempt,
            row.status,
            _error(row, contents[row.id]),
            milliseconds(row.started_at, row.completed_at),
            row.started_at,
        )
        for row in rows
    )
    waits = newest.status == "failed" and newest.retry_at is not None
    return StepRunView(
        step_id=newest.step_id,
        step_index=newest.step_index,
        type=newest.type,
        model=newest.model,
        provider=newest.provider,
        status="waiting" if waits else newest.status,
        prompt_sent=cast(str | None, content.get("prompt")),
        raw_output=cast(str | None, content.get("raw")),
        parsed_output=content.get("parsed"),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_micro_cents=sum(row.cost_micro_cents for row in rows),
        credit_micros=sum(row.credit_micros for row in rows),
        duration_ms=milliseconds(newest.started_at, newest.completed_at),
        retry_count=newest.attempt - 1,
        stop_reason=newest.stop_reason,
        error=_error(newest, content),
        started_at=rows[0].started_at,
        completed_at=newest.completed_at,
        attempts=attempts,
    )


def _steps(
    runtime: Runtime,
    definition: Definition,
    rows: Sequence[StepRunRow],
    run_status: str,
    selected: frozenset[str] | None,
) -> tuple[StepRunView, ...]:
    attempts: dict[str, list[StepRunRow]] = {}
    for row in rows:
        attempts.setdefault(row.step_id, []).append(row)
    views = []
    for index, step in enumerate(definition.steps):
        if step.id in attempts:
            views.append(step_view(runtime, attempts[step.id]))
            continue
        left_out = selected is not None and step.id not in selected
        status = "pending" if run_status in ACTIVE and not left_out else "skipped"
        views.append(StepRunView(step.id, index, step.type, getattr(step, "model", None), None, status))
    return tuple(views)


def _error(row: StepRunRow, content: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
    if row.error_code is None:
        return None
    return {"code": row.error_code, "message": content.get("error"), "step_id": row.step_id}


def _summary(row: RunRow, names: dict[str, str], credits: dict[str, int]) -> RunSummary:
    return RunSummary(
        id=row.id,
        pipeline_id=row.pipeline_id,
        pipeline_name=names.get(row.pipeline_id or "", "From a file"),
        pipeline_version=row.pipeline_version,
        status=row.status,
        trigger_type=row.trigger_type,
        started_at=row.started_at,
        created_at=row.created_at,
        duration_ms=milliseconds(row.started_at, row.completed_at),
        credits_micros=credits.get(row.id, 0),
    )
