"""Reading runs, their events and lists. Ownership is a condition of every query."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from sqlalchemy import bindparam, func, not_, select
from sqlalchemy.orm import defer

from core.credits.domain import Quote
from core.execution import errors
from core.execution.domain import (
    ACTIVE,
    FINAL,
    AttemptView,
    RunEvent,
    RunSummary,
    RunView,
    StepRunView,
    milliseconds,
)
from core.execution.journal import RUNS, open_content, open_selection
from core.execution.journal_rows import EVENTS, STEPS
from core.execution.models import RunRow, StepRunRow
from core.pipelines.definition import Definition, Step, read_definition, walk_steps
from core.pipelines.kinds.map import MapStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.kinds.pipeline import PipelineStep
from core.pipelines.queries import find_pipeline_ids, pipeline_names
from core.platform.database import AnyRow
from core.platform.runtime import Runtime
from core.shared.clock import iso_z
from core.shared.money import credits_number
from core.shared.pages import Page
from core.shared.types import JsonValue

# Asked at every start, look and event of a stream: built once, on the tables themselves.
RUN = select(RUNS).where(RUNS.c.id == bindparam("b_run"), RUNS.c.owner_id == bindparam("b_owner"))
STATUS = RUN.with_only_columns(RUNS.c.status)
# The items of a `map` are counted, not shown one by one: there may be thousands.
_OUTSIDE = STEPS.c.frame.not_like("%[%")
ATTEMPTS = select(STEPS).where(STEPS.c.run_id == bindparam("b_run"), _OUTSIDE).order_by(STEPS.c.visit, STEPS.c.attempt)
SUMS = ("input_tokens", "output_tokens", "cost_micro_cents", "credit_micros")
ITEMS = (
    select(STEPS.c.frame, *(func.sum(STEPS.c[name]) for name in SUMS))
    .where(STEPS.c.run_id == bindparam("b_run"), not_(_OUTSIDE))
    .group_by(STEPS.c.frame)
)
NEWS = (
    select(EVENTS, RUNS.c.owner_id)
    .join_from(EVENTS, RUNS, RUNS.c.id == EVENTS.c.run_id)
    .where(EVENTS.c.run_id == bindparam("b_run"), EVENTS.c.seq > bindparam("b_seq"))
    .order_by(EVENTS.c.seq)
    .limit(bindparam("b_limit"))
)
WITHOUT_CONTENT = (defer(RunRow.request), defer(RunRow.result))
"""For lists: what a run was given and made may be a megabyte each."""


def get_run(runtime: Runtime, owner_id: str, run_id: str) -> RunView:
    """A run with its steps. Raises NotFound, also for somebody else's."""
    with runtime.database.connect() as connection:
        row = connection.execute(RUN, {"b_run": run_id, "b_owner": owner_id}).one_or_none()
        if row is None:
            raise errors.run_not_found()
        steps = connection.execute(ATTEMPTS, {"b_run": run_id}).all()
    vault = runtime.vault
    request = cast(dict[str, Any], vault.open_json(owner_id, f"runs.request:{run_id}", row.request))
    result: dict[str, Any] = {"output": None, "error": None}
    if row.result is not None:
        result = cast(dict[str, Any], vault.open_json(owner_id, f"runs.result:{run_id}", row.result))
    definition = read_definition(request["definition"])
    selected = open_selection(request["selection"]).steps
    inside: Sequence[tuple[Any, ...]] = ()
    if any(isinstance(step, MapStep | PipelineStep) for _, step in walk_steps(definition.steps)):
        with runtime.database.connect() as connection:
            inside = [tuple(each) for each in connection.execute(ITEMS, {"b_run": run_id})]
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
        quote=Quote(row.quote_low, row.quote_likely, row.quote_max, _quoted_steps(request)),
        steps=_steps(runtime, definition, steps, inside, row.status, selected),
        started_at=row.started_at,
        completed_at=row.completed_at,
        created_at=row.created_at,
        cancel_requested_at=row.cancel_requested_at,
        over_budget=row.status == "waiting" and row.error_code == "BUDGET_PAUSED",
        personal_data=request.get("personal_data", "off"),
    )


def _quoted_steps(request: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {step_id: (low, likely, most) for step_id, (low, likely, most) in request.get("quoted", {}).items()}


def list_runs(
    runtime: Runtime,
    owner_id: str,
    *,
    pipeline_id: str | None = None,
    status: str | None = None,
    text: str | None = None,
    active: bool | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[RunSummary]:
    """A person's runs, newest first. `text` is looked for in pipeline names; `active` True leaves the ended ones
    out, False the others."""
    query = select(RunRow).where(RunRow.owner_id == owner_id)
    if pipeline_id:
        query = query.where(RunRow.pipeline_id == pipeline_id)
    if status:
        query = query.where(RunRow.status == status)
    if active is not None:
        query = query.where(RunRow.status.in_(ACTIVE if active else FINAL))
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
    with runtime.database.connect() as connection:
        status = connection.execute(STATUS, {"b_run": run_id, "b_owner": owner_id}).scalar()
    if status is None:
        raise errors.run_not_found()
    return str(status)


def events_after(runtime: Runtime, run_id: str, seq: int, limit: int = 500) -> tuple[RunEvent, ...]:
    """Events of a run after `seq`, in order. The caller has checked whose run it is."""
    with runtime.database.connect() as connection:
        found = connection.execute(NEWS, {"b_run": run_id, "b_seq": seq, "b_limit": limit}).all()
    events = []
    for row in found:
        data = runtime.vault.open_json(row.owner_id, f"run_events.data:{row.run_id}/{row.seq}", row.data)
        events.append(RunEvent(row.seq, row.kind, row.step_id, cast(dict[str, JsonValue], data), row.at))
    return tuple(events)


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


def step_view(runtime: Runtime, rows: Sequence[StepRunRow | AnyRow], *, active: bool = False) -> StepRunView:
    """A step from its attempts, oldest first. Costs are those of all attempts. `active`: its run goes on."""
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
            completed_at=row.completed_at,
            prompt_sent=cast(str | None, contents[row.id].get("prompt")),
            raw_output=cast(str | None, contents[row.id].get("raw")),
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            credit_micros=row.credit_micros,
            stop_reason=row.stop_reason,
        )
        for row in rows
    )
    waits = active and newest.status == "failed" and newest.retry_at is not None
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
        reason=cast(str | None, content.get("reason")),
        saved_micros=int(cast(int, content.get("saved_micros") or 0)),
        trace=tuple(cast(list[JsonValue], content.get("trace") or [])),
        personal_data=cast(dict[str, Any], content.get("personal_data") or {}).get("found", {}),
        placeholders=cast(dict[str, str], content.get("placeholders") or {}),
    )


def _steps(
    runtime: Runtime,
    definition: Definition,
    rows: Sequence[StepRunRow | AnyRow],
    inside: Sequence[tuple[Any, ...]],
    run_status: str,
    selected: frozenset[str] | None,
) -> tuple[StepRunView, ...]:
    """The outermost steps and those inside a `parallel`, in written order; what else is nested adds to its step."""
    shown = list(_shown_steps(definition.steps))
    frames = {step.id: frame for _, step, frame in shown}
    attempts: dict[str, list[StepRunRow | AnyRow]] = {}
    extra: dict[str, list[tuple[int, ...]]] = {}
    for row in rows:
        if frames.get(row.step_id) is not None and frames[row.step_id] == LOOP_MARK.sub("/", row.frame):
            attempts.setdefault(row.step_id, []).append(row)
        else:
            sums = (row.input_tokens, row.output_tokens, row.cost_micro_cents, row.credit_micros)
            extra.setdefault(_holder(row.frame, frames), []).append(sums)
    for frame, *found in inside:
        extra.setdefault(_holder(frame, frames), []).append(tuple(int(each) for each in found))
    views = []
    for index, (depth, step, _) in enumerate(shown):
        if step.id in attempts:
            view = step_view(runtime, attempts[step.id], active=run_status in ACTIVE)
        else:
            left_out = selected is not None and step.id not in selected
            status = "pending" if run_status in ACTIVE and not left_out else "skipped"
            view = StepRunView(step.id, index, step.type, getattr(step, "model", None), None, status)
        read, written, cents, micros = (
            sum(column) for column in zip((0, 0, 0, 0), *extra.get(step.id, ()), strict=True)
        )
        views.append(
            replace(
                view,
                step_index=index,
                depth=depth,
                input_tokens=view.input_tokens + read,
                output_tokens=view.output_tokens + written,
                cost_micro_cents=view.cost_micro_cents + cents,
                credit_micros=view.credit_micros + micros,
            )
        )
    return tuple(views)


LOOP_MARK = re.compile(r"@\d+/")


def _shown_steps(steps: Sequence[Step], depth: int = 0, frame: str = "") -> Iterator[tuple[int, Step, str]]:
    for step in steps:
        yield depth, step, frame
        if isinstance(step, ParallelStep):
            yield from _shown_steps(step.steps, depth + 1, f"{frame}{step.id}/")


def _holder(frame: str, frames: dict[str, str]) -> str:
    """The innermost shown step that a frame belongs to."""
    parts = [re.split(r"[@\[]", part)[0] for part in frame.split("/") if part]
    return next((part for part in reversed(parts) if part in frames), parts[0])


def _error(row: StepRunRow | AnyRow, content: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
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
        quote_max_micros=row.quote_max,
    )
