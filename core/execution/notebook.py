"""The notebook: which cells are fresh, which are stale and why, and what a run of them would cost."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from core.accounts.domain import Account
from core.credits.domain import Quote
from core.execution.attachments import read_inputs
from core.execution.called import called_definitions
from core.execution.changes import Claim
from core.execution.domain import WITH_OUTPUT, CellView, Mode, NotebookView, RunView, Selection, StepRunView
from core.execution.frames import Frame, FramePlan
from core.execution.funding import funding_of
from core.execution.journal import find_reusable
from core.execution.kinds import PREPARE, StepContext
from core.execution.live import live_news
from core.execution.models import StepRunRow
from core.execution.queries import active_run_id, get_run, list_runs, step_view
from core.execution.quotes import quote, try_quote
from core.execution.selection import select_steps
from core.execution.usual import usual_of_steps
from core.pipelines.commands import validate_source
from core.pipelines.definition import Definition, Step, read_definition, resolve_models
from core.pipelines.graph import order
from core.pipelines.inputs import check_input
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.queries import get_pipeline
from core.platform.files.domain import FileView
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput
from core.shared.types import JsonValue


def notebook(
    runtime: Runtime, owner: Account, pipeline_id: str, *, text: str, input_data: dict[str, Any]
) -> NotebookView:
    """What the notebook shows of a text, valid or not. While a run is active its cells show that run."""
    checked = validate_source(runtime, owner, text, pipeline_id)
    # In this order: a run that ends between the two is looked at once more, and never shown as running for good.
    active = active_run_id(runtime, owner.id, pipeline_id)
    last = next(iter(list_runs(runtime, owner.id, pipeline_id=pipeline_id, limit=1).items), None)
    errors, warnings = tuple(checked.errors), tuple(checked.warnings)
    if checked.definition is None or errors:
        return NotebookView(None, errors, warnings, (), Quote(0, 0, 0), last, active)
    definition = resolve_models(checked.definition, runtime.catalogue.default_model())
    called = _called(runtime, owner, definition, pipeline_id)
    funding = funding_of(runtime, owner, definition, called.values())
    files, values = _inputs(runtime, owner, definition, input_data)
    usual = usual_of_steps(runtime, owner.id, pipeline_id, definition, funding)
    whole = try_quote(runtime, owner, definition, values, funding, files, called, usual=usual)
    cells, inner = _cells(runtime, owner, pipeline_id, definition, called, files, values, whole)
    if active is not None:
        run = get_run(runtime, owner.id, active)
        shown = _show_active(runtime, run, (*cells, *inner))
        cells, inner = shown[: len(cells)], shown[len(cells) :]
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
        try_quote(runtime, owner, definition, values, funding, files, called, stale, usual),
        inner,
    )


def quote_pipeline(runtime: Runtime, owner: Account, pipeline_id: str, input_data: dict[str, Any]) -> Quote:
    """The quote of the newest version. Raises InvalidInput for an input that does not fit."""
    definition = read_definition(get_pipeline(runtime, owner.id, pipeline_id).definition)
    checked = check_input(definition, input_data)
    called = called_definitions(runtime, owner.id, definition, pipeline_id)
    funding = funding_of(runtime, owner, definition, called.values())
    files, values = read_inputs(runtime, owner.id, definition, checked)
    usual = usual_of_steps(runtime, owner.id, pipeline_id, definition, funding)
    return quote(runtime, owner, definition, values, funding=funding, files=files, called=called, usual=usual)


def _inputs(
    runtime: Runtime, owner: Account, definition: Definition, input_data: dict[str, Any]
) -> tuple[dict[str, FileView], dict[str, JsonValue]]:
    try:
        return read_inputs(runtime, owner.id, definition, input_data)
    except AppError:  # while it is being filled in; a run says what is wrong
        return {}, dict(input_data)


def _called(runtime: Runtime, owner: Account, definition: Definition, pipeline_id: str) -> dict[str, Definition]:
    try:
        return called_definitions(runtime, owner.id, definition, pipeline_id)
    except InvalidInput:  # the run says so
        return {}


def quoted_most(view: NotebookView, mode: Mode, step_id: str | None = None) -> int:
    """The most micro-credits that running these cells may cost; a fresh output that stands in costs nothing."""
    if view.definition is None:
        return 0
    selection = select_steps(view.definition, mode, step_id)
    wanted = [cell for cell in view.cells if selection.steps is None or cell.step_id in selection.steps]
    return sum(cell.quote[2] for cell in wanted if cell.state != "fresh" or cell.step_id not in selection.reusable)


def _cells(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    definition: Definition,
    called: dict[str, Definition],
    files: dict[str, FileView],
    values: dict[str, JsonValue],
    whole: Quote,
) -> tuple[tuple[CellView, ...], tuple[CellView, ...]]:
    """The outermost steps, and those inside `parallel` ones.

    A jump that a stored condition would make is not followed: a cell is its own matter.
    """
    plan = FramePlan(definition, definition.steps)
    frame = Frame(plan, {"input": values, "vars": dict(definition.variables), "steps": {}}, files=files)
    reader = _MarkReader(runtime, owner, definition, called)
    found: dict[str, CellView] = {}
    together = dict(_frames(definition.steps))
    with runtime.database.read() as session:
        newest = _newest(session, owner.id, pipeline_id, together)
        for step_id in order(plan.edges):
            last = newest.get(step_id)
            shown = step_view(runtime, [last]) if last is not None else None
            needs = plan.needs[step_id]
            waits = [need for need in definition.step_ids if need in needs and need not in frame.outputs]
            cost = whole.steps.get(step_id, (0, 0, 0))
            if waits:
                found[step_id] = CellView(step_id, _state(shown), _because(waits[0], shown), shown, cost)
                continue
            try:
                fresh = reader.stored(session, frame, plan.steps[step_id])
            except AppError as error:
                found[step_id] = CellView(step_id, _state(shown), error.message, shown, cost)
                continue
            if fresh is None:
                reason = None if shown is None else _changed(shown, acts=_acts(plan.steps[step_id]))
                found[step_id] = CellView(step_id, _state(shown), reason, shown, cost)
                continue
            frame.outputs[step_id] = fresh.parsed_output
            found[step_id] = CellView(step_id, "fresh", None, fresh, cost)
    inner = []
    for step_id in together:
        if step_id not in found:
            last = newest.get(step_id)
            shown, fresh = step_view(runtime, [last]) if last is not None else None, reader.inner.get(step_id)
            state = _state(shown) if fresh is None else "fresh"
            inner.append(CellView(step_id, state, None, fresh or shown, whole.steps.get(step_id, (0, 0, 0))))
    return tuple(found[step_id] for step_id in definition.step_ids), tuple(inner)


class _MarkReader:
    """Finds the stored output that stands for a step as it is now: by what it would do, without doing it."""

    def __init__(self, runtime: Runtime, owner: Account, definition: Definition, called: dict[str, Definition]) -> None:
        self._runtime = runtime
        self.inner: dict[str, StepRunView] = {}
        self._hash = runtime.vault.keyed_hash(owner.id, "fingerprint")
        free = dict.fromkeys(runtime.catalogue.providers(), "free")  # who pays is no part of a fingerprint
        self._claim = Claim(
            "", owner.id, None, owner.plan, 0, 0, False, definition, called, {}, free, Selection(), {},
            runtime.prices.current(runtime).rates(owner.plan), runtime.clock.now(),
        )  # fmt: skip

    def stored(self, session: Session, frame: Frame, step: Step) -> StepRunView | None:
        """The stored output, or None. Raises the error that the step would fail with."""
        scope = frame.scope(step.id)
        context = StepContext(
            self._runtime, self._claim, frame.plan.definition, step, scope, self._hash, "", "", {}, {}, frame.files,
        )  # fmt: skip
        prepared = PREPARE[step.type](context)
        if prepared.nested is not None and prepared.nested.together:
            return self._together(session, frame, step, scope)
        if prepared.fingerprint is None:
            return None
        row = find_reusable(session, self._claim.owner_id, prepared.fingerprint)
        return step_view(self._runtime, [row]) if row is not None else None

    def _together(self, session: Session, frame: Frame, step: Step, scope: dict[str, JsonValue]) -> StepRunView | None:
        """A `parallel` step is fresh when every step inside it is; those that are, are kept in `inner`."""
        plan = FramePlan(frame.plan.definition, step.inner, together=True)
        inner = Frame(plan, scope)
        for step_id in order(plan.edges):
            if not plan.needs[step_id] <= inner.outputs.keys():
                continue
            fresh = self.stored(session, inner, plan.steps[step_id])
            if fresh is not None:
                inner.outputs[step_id] = fresh.parsed_output
                self.inner[step_id] = fresh
        if not plan.steps.keys() <= inner.outputs.keys():
            return None
        frame.outputs.update(inner.outputs)
        output: JsonValue = {each.id: inner.outputs.get(each.id) for each in step.inner}
        return replace(INSIDE, step_id=step.id, parsed_output=output)


INSIDE = StepRunView("", 0, "parallel", None, None, "reused")


def _state(shown: StepRunView | None) -> str:
    if shown is None:
        return "never"
    return "failed" if shown.status == "failed" else "stale"


def _because(need: str, shown: StepRunView | None) -> str | None:
    return None if shown is None else f"{need} has no fresh output"


def _acts(step: Step) -> bool:
    return step.is_barrier and not isinstance(step, ConditionStep)


def _changed(shown: StepRunView, *, acts: bool) -> str | None:
    if acts and shown.status != "failed":
        return "it may act outside, so what it left is not used again"
    return None if shown.status == "failed" else "its prompt, settings or inputs changed after this ran"


def _frames(steps: tuple[Step, ...], frame: str = "") -> Iterator[tuple[str, str]]:
    """The outermost steps and those inside `parallel` ones, each with the frame it runs in."""
    for step in steps:
        yield step.id, frame
        if isinstance(step, ParallelStep):
            yield from _frames(step.steps, f"{frame}{step.id}/")


def _newest(session: Session, owner_id: str, pipeline_id: str, frames: Mapping[str, str]) -> dict[str, StepRunRow]:
    mine = (StepRunRow.owner_id == owner_id, StepRunRow.pipeline_id == pipeline_id)
    # One look at the end of the index a step: grouping would read every attempt that the pipeline ever made.
    ids = union_all(
        *(
            select(func.max(StepRunRow.id)).where(*mine, StepRunRow.step_id == step_id, StepRunRow.frame == frame)
            for step_id, frame in frames.items()
        )
    )
    return {row.step_id: row for row in session.scalars(select(StepRunRow).where(StepRunRow.id.in_(ids)))}


def _show_active(runtime: Runtime, run: RunView, cells: tuple[CellView, ...]) -> tuple[CellView, ...]:
    news = live_news(runtime, run.id)
    steps = {step.step_id: step for step in run.steps}
    shown = []
    for cell in cells:
        step = steps.get(cell.step_id)
        if step is None or step.status in ("skipped", *WITH_OUTPUT):
            shown.append(cell)
        elif step.status == "pending":
            shown.append(replace(cell, state="pending"))
        else:
            text, progress = news.texts.get(cell.step_id), news.progress.get(cell.step_id)
            shown.append(
                replace(cell, state=step.status, reason=None, step_run=step, live_text=text, progress=progress)
            )
    return tuple(shown)
