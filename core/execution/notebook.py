"""The notebook: which cells are fresh, which are stale and why, and what a run of them would cost."""

from dataclasses import replace
from typing import Any, cast

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.credits.domain import Quote
from core.execution.domain import WITH_OUTPUT, CellView, NotebookView, RunView, StepRunView
from core.execution.funding import funding_of
from core.execution.journal import find_reusable
from core.execution.models import StepRunRow
from core.execution.preparation import Hash, prepare_call, prepare_transform, scope_of
from core.execution.queries import active_run_id, get_run, list_runs, live_texts, step_view
from core.execution.quotes import quote, try_quote
from core.pipelines.commands import validate_source
from core.pipelines.definition import Definition, LlmStep, TransformStep, resolve_models
from core.pipelines.graph import dependencies, order
from core.pipelines.inputs import check_input
from core.pipelines.queries import get_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import AppError
from core.shared.types import JsonValue


def notebook(
    runtime: Runtime, owner: Account, pipeline_id: str, *, text: str, input_data: dict[str, Any]
) -> NotebookView:
    """What the notebook shows of a text, valid or not. While a run is active its cells show that run."""
    checked = validate_source(runtime, owner, text)
    last = next(iter(list_runs(runtime, owner.id, pipeline_id=pipeline_id, limit=1).items), None)
    active = active_run_id(runtime, owner.id, pipeline_id)
    errors, warnings = tuple(checked.errors), tuple(checked.warnings)
    if checked.definition is None or errors:
        return NotebookView(None, errors, warnings, (), Quote(0, 0, 0), last, active)
    definition = resolve_models(checked.definition, runtime.catalogue.default_model())
    funding = funding_of(runtime, owner, definition)
    whole = try_quote(runtime, owner, definition, input_data, funding)
    cells = _cells(runtime, owner, pipeline_id, definition, input_data, funding, whole)
    if active is not None:
        run = get_run(runtime, owner.id, active)
        cells = _show_active(runtime, run, cells)
    stale = frozenset(cell.step_id for cell in cells if cell.state != "fresh")
    return NotebookView(
        definition,
        errors,
        warnings,
        cells,
        whole,
        last,
        active,
        len(stale),
        try_quote(runtime, owner, definition, input_data, funding, stale),
    )


def quote_pipeline(runtime: Runtime, owner: Account, pipeline_id: str, input_data: dict[str, Any]) -> Quote:
    """The quote of the newest version. Raises InvalidInput for an input that does not fit."""
    definition = Definition.model_validate(get_pipeline(runtime, owner.id, pipeline_id).definition)
    checked = check_input(definition, input_data)
    return quote(runtime, owner, definition, checked, funding=funding_of(runtime, owner, definition))


def _cells(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    definition: Definition,
    input_data: dict[str, Any],
    funding: dict[str, str],
    whole: Quote,
) -> tuple[CellView, ...]:
    hash_ = runtime.vault.keyed_hash(owner.id, "fingerprint")
    needs = dependencies(definition)
    outputs: dict[str, JsonValue] = {}
    found: dict[str, CellView] = {}
    with runtime.database.read() as session:
        newest = _newest(session, owner.id, pipeline_id, definition)
        for step_id in order(needs):
            step = cast(LlmStep | TransformStep, definition.step(step_id))
            last = newest.get(step_id)
            shown = step_view(runtime, [last]) if last is not None else None
            waits = [need for need in definition.step_ids if need in needs[step_id] and need not in outputs]
            cost = whole.steps.get(step_id, (0, 0, 0))
            if waits:
                found[step_id] = CellView(step_id, _state(shown), _because(waits[0], shown), shown, cost)
                continue
            try:
                scope = scope_of(definition, input_data, outputs)
                mark = _mark(runtime, owner, definition, step, scope, funding, hash_)
            except AppError as error:
                found[step_id] = CellView(step_id, _state(shown), error.message, shown, cost)
                continue
            stored = find_reusable(session, owner.id, mark)
            if stored is None:
                reason = None if shown is None else _changed(shown)
                found[step_id] = CellView(step_id, _state(shown), reason, shown, cost)
                continue
            fresh = step_view(runtime, [stored])
            outputs[step_id] = fresh.parsed_output
            found[step_id] = CellView(step_id, "fresh", None, fresh, cost)
    return tuple(found[step_id] for step_id in definition.step_ids)


def _mark(
    runtime: Runtime,
    owner: Account,
    definition: Definition,
    step: LlmStep | TransformStep,
    scope: dict[str, JsonValue],
    funding: dict[str, str],
    hash_: Hash,
) -> bytes:
    if isinstance(step, TransformStep):
        return prepare_transform(step, scope, hash_)
    free = dict.fromkeys(funding, "free")  # who pays is no part of a fingerprint
    call = prepare_call(runtime.catalogue, definition, step, scope, funding=free, plan=owner.plan, hash_=hash_)
    return call.fingerprint


def _state(shown: StepRunView | None) -> str:
    if shown is None:
        return "never"
    return "failed" if shown.status == "failed" else "stale"


def _because(need: str, shown: StepRunView | None) -> str | None:
    return None if shown is None else f"{need} has no fresh output"


def _changed(shown: StepRunView) -> str | None:
    return None if shown.status == "failed" else "its prompt, settings or inputs changed after this ran"


def _newest(session: Session, owner_id: str, pipeline_id: str, definition: Definition) -> dict[str, StepRunRow]:
    mine = (StepRunRow.owner_id == owner_id, StepRunRow.pipeline_id == pipeline_id)
    # One look at the end of the index a step: grouping would read every attempt that the pipeline ever made.
    ids = union_all(
        *(
            select(func.max(StepRunRow.id)).where(*mine, StepRunRow.step_id == step_id)
            for step_id in definition.step_ids
        )
    )
    return {row.step_id: row for row in session.scalars(select(StepRunRow).where(StepRunRow.id.in_(ids)))}


def _show_active(runtime: Runtime, run: RunView, cells: tuple[CellView, ...]) -> tuple[CellView, ...]:
    texts = live_texts(runtime, run.id)
    steps = {step.step_id: step for step in run.steps}
    shown = []
    for cell in cells:
        step = steps.get(cell.step_id)
        if step is None or step.status in ("skipped", *WITH_OUTPUT):
            shown.append(cell)
        elif step.status == "pending":
            shown.append(replace(cell, state="pending"))
        else:
            shown.append(
                replace(cell, state=step.status, reason=None, step_run=step, live_text=texts.get(cell.step_id))
            )
    return tuple(shown)
