"""The cells of a notebook: each step as a light cell, the chosen one open, those inside a step within it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from core.accounts.domain import Account
from core.bootstrap import get_runtime
from core.execution.domain import CellView, NotebookView, ReviewView
from core.execution.history import cell_runs
from core.execution.notebook import quoted_most
from core.execution.review_queries import reviews_of_run
from core.pipelines.definition import BaseStep, Definition, LlmStep, Step
from core.pipelines.kinds.map import MapStep
from pages.ui.cell import CellActions, CellFace, draw_light_cell
from pages.ui.cell_editor import draw_open_cell
from pages.ui.forms import StepForm
from pages.ui.forms.parts import CalledPipeline, EditActions
from pages.ui.navigator import base_path
from pages.ui.review_card import draw_review
from pages.ui.scope import place_of, tables, visible
from pages.ui.step_tabs import draw_history
from pages.ui.steps import (
    between_cells,
    callable_pipelines,
    distinct_steps,
    draw_add_inside,
    draw_add_step,
    issues_of,
    models_of,
    region_of,
    with_inputs,
)
from pages.workspace.notebook_actions import Notebook
from pages.workspace.review_actions import decide


@dataclass(frozen=True)
class CellSheet:
    """What the cells are drawn from."""

    owner: Account
    pipeline_id: str
    notebook: NotebookView
    definition: Definition
    cells: Mapping[str, CellView]
    open_cell: str | None
    hands: Notebook

    def draw(self) -> None:
        """Every cell, a plus between each two, and the way to add one at the end."""
        others = tuple(self._pipelines)
        steps = distinct_steps(self.definition)
        for place, step in enumerate(steps):
            self._draw_cell(step)
            if place < len(steps) - 1:
                # Drawn during a run as well: a cell that changed its place would lose the editor's focus.
                between_cells(step.id, self.hands.add, pipelines=others, disabled=self._running)
        draw_add_step(steps[-1].id if steps else None, self.hands.add, pipelines=others)

    def face(self, step: BaseStep, *, inside: Step | None = None, repeated: bool = False) -> CellFace:
        """A step with what is known about it."""
        model = step.model or get_runtime().catalogue.default_model() if isinstance(step, LlmStep) else None
        return CellFace(
            step=step,
            cell=self.cells.get(step.id) or CellView(step.id, "never", None, None, (0, 0, 0)),
            model=model,
            region=region_of(get_runtime(), model),
            href=self.href(step.id),
            running=self._running,
            issues=issues_of(self.definition, step.id, self.notebook.errors),
            runs=self.notebook.definition is not None,
            most=quoted_most(self.notebook, "cell", step.id) if inside is None else 0,
            is_inner=inside is not None,
            is_repeated=repeated,
            draw_inside=self._inside(step, repeated=repeated),
        )

    def href(self, step_id: str) -> str:
        """The address that opens a cell."""
        return f"{base_path()}?{urlencode({'pipeline': self.pipeline_id, 'cell': step_id})}"

    @property
    def _running(self) -> bool:
        return self.notebook.active_run_id is not None

    @property
    def _pipelines(self) -> dict[str, CalledPipeline]:
        return callable_pipelines(get_runtime(), self.owner.id, self.pipeline_id)

    def _draw_cell(self, step: BaseStep, *, inside: Step | None = None, repeated: bool = False) -> None:
        face = self.face(step, inside=inside, repeated=repeated)
        actions = CellActions(
            run=lambda step_id: self.hands.run("cell", step_id), choose=self.hands.choose, attend=self._draw_reviews
        )
        if step.id == self.open_cell:
            draw_open_cell(face, actions, self._form(face), self._draw_history)
        else:
            draw_light_cell(face, actions)

    def _form(self, face: CellFace) -> StepForm:
        step, definition, hands = face.step, self.definition, self.hands
        place = place_of(definition, step.id)
        pipelines: dict[str, CalledPipeline] = {}
        called = getattr(step, "pipeline", None)
        if called is not None:
            pipelines = with_inputs(get_runtime(), self.owner.id, self._pipelines, called)
        return StepForm(
            step=step,
            edits=EditActions(
                fields=hands.set_fields, rename=hands.rename, command=hands.command, typed=hands.memory.typed
            ),
            named=visible(definition, step.id),
            before=place.before,
            after=place.after,
            can_jump=not place.is_together,
            models=models_of(get_runtime(), self.owner.id) if isinstance(step, LlmStep) else (),
            tables=tables(definition, step.id),
            pipelines=pipelines,
            draw_inside=face.draw_inside or (lambda: None),
        )

    def _inside(self, step: BaseStep, *, repeated: bool) -> Callable[[], None] | None:
        inner: Sequence[Step] = step.inner
        if not inner:
            return None
        items = repeated or isinstance(step, MapStep)

        def draw() -> None:
            with st.container(key=f"steps-inside-{step.id}"):
                for each in inner:
                    self._draw_cell(each, inside=step, repeated=items)  # type: ignore[arg-type]
                draw_add_inside(step.id, self.hands.add, pipelines=tuple(self._pipelines), disabled=self._running)

        return draw

    def _draw_reviews(self, step_id: str) -> None:
        """The open questions of a waiting step."""
        run_id = self.notebook.active_run_id
        if run_id is None:
            return
        draw_open_reviews(reviews_of_run(get_runtime(), self.owner.id, run_id), step_id)

    def _draw_history(self, step_id: str) -> None:
        runtime = get_runtime()
        runs = cell_runs(runtime, self.owner.id, self.pipeline_id, step_id)

        def href(run_id: str) -> str:
            return f"{base_path()}run?{urlencode({'run': run_id, 'step': step_id})}"

        draw_history(runs, href, now=runtime.clock.now())


def draw_open_reviews(reviews: Sequence[ReviewView], step_id: str) -> None:
    """The open questions of one step, each with its answer form."""
    now = get_runtime().clock.now()
    for review in reviews:
        if review.status == "open" and review.step_id == step_id:
            with st.container(key=f"review-{review.id}"):
                draw_review(review, decide, now=now)
