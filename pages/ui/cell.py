"""A cell of the notebook as it is read: head, reason, prompt, output. The open cell is in `cell_editor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import streamlit as st

from core.execution.domain import AttemptView, CellView, StepRunView
from core.pipelines.definition import BaseStep
from core.pipelines.parsing import Issue
from core.shared.money import format_credits
from pages.ui.badges import look_of, state_badge, step_state
from pages.ui.kinds import kind_of, reads_as_markdown, source_text
from pages.ui.outputs import draw_output
from pages.ui.prompts import prompt_html, with_code
from pages.ui.words import credits_range, duration, joined, tokens

MENU = {
    "from_here": "Run from here",
    "up": "Move up",
    "down": "Move down",
    "duplicate": "Duplicate",
    "delete": "Delete",
}
"""What the menu of a cell offers besides running it."""


@dataclass(frozen=True)
class CellFace:
    """A cell with what the page knows about it."""

    step: BaseStep
    cell: CellView
    model: str | None
    region: str | None
    href: str
    running: bool
    """Whether a run is going on, so that nothing else can be started."""
    issues: tuple[Issue, ...] = ()
    """What is wrong with the step as it is written."""
    runs: bool = True
    """Whether the definition has no errors, so that something can be run."""
    most: int = 0
    """Micro-credits that running it may cost, with the stale cells it needs."""

    @property
    def state(self) -> str:
        """The state to show: that something is wrong comes before what the last run left."""
        if self.issues:
            return "invalid"
        run = self.cell.step_run
        return step_state(self.cell.state, run.error if run else None)


@dataclass(frozen=True)
class CellActions:
    """What a person can do with a cell."""

    run: Callable[[str], None]
    choose: Callable[[str, str], None]
    """Step id, and a key of `MENU`."""


def draw_cell_head(face: CellFace, actions: CellActions) -> None:
    """The first line of a cell: what it is on the left; facts, state, run and menu on the right."""
    step = face.step
    with st.container(key=f"head-{step.id}", horizontal=True, vertical_alignment="center"):
        st.html(_left(face))
        st.html(_right(face), width="content")
        st.button(
            f"Run {step.id}",
            key=f"run-{step.id}",
            icon=":material/play_arrow:",
            type="tertiary",
            help=f"Run this cell · max {format_credits(face.most)}" if face.runs else "Fix the errors first",
            disabled=face.running or not face.runs,
            on_click=actions.run,
            args=(step.id,),
        )
        st.menu_button(
            f"More for {step.id}",
            list(MENU),
            key=f"menu-{step.id}",
            icon=":material/more_vert:",
            type="tertiary",
            format_func=lambda choice: MENU[choice],
            on_click=_chosen,
            args=(step.id, actions.choose),
        )
    if face.cell.reason and face.cell.state == "stale":
        st.html(f'<div class="sq-reason"><b>Stale:</b> {escape(face.cell.reason)}</div>')


def draw_light_cell(face: CellFace, actions: CellActions) -> None:
    """A cell that is not open: its prompt opens it."""
    with st.container(key=f"cell-{face.step.id}"):
        draw_cell_head(face, actions)
        st.html(prompt_html(source_text(face.step), href=face.href, label=f"Open {face.step.id} to edit it"))
        draw_cell_issues(face)
        draw_result(face.cell, face.step, key=f"out-{face.step.id}")


def draw_cell_issues(face: CellFace) -> None:
    """What is wrong with the step, below what was written."""
    if face.issues:
        rows = "".join(f"<li>{with_code(issue.message)}</li>" for issue in face.issues)
        st.html(f'<ul class="sq-error sq-list" role="alert">{rows}</ul>')


def draw_result(cell: CellView, step: BaseStep, *, key: str) -> None:
    """What the cell last said: live text while it runs, the error, or its output."""
    run = cell.step_run
    if cell.state == "running":
        _draw_live(cell)
    elif run is not None and run.error and run.status != "skipped":
        draw_step_error(run)
    elif run is not None and run.status in ("completed", "reused"):
        draw_output(run.parsed_output, markdown=reads_as_markdown(step), key=key, file_name=step.id)
    elif run is not None and run.status == "skipped":
        why = str((run.error or {}).get("message") or "Skipped in the last run.")
        st.html(f'<div class="sq-empty">{escape(why)}</div>')


def draw_step_error(run: StepRunView | AttemptView) -> None:
    """The error of a step, or of one attempt of it, with what to do about it."""
    error = run.error or {}
    if step_state(run.status, error) == "cancelled":
        st.html(f'<div class="sq-empty">{escape(str(error.get("message", "Stopped.")))}</div>')
        return
    code = escape(str(error.get("code", "FAILED")))
    tries = f" after {run.retry_count + 1} attempts" if isinstance(run, StepRunView) and run.retry_count else ""
    st.html(
        f'<div class="sq-error" role="alert"><b>Failed{tries}</b> <code>{code}</code>'
        f"<p>{with_code(str(error.get('message', 'The step failed.')))}</p></div>"
    )


def _left(face: CellFace) -> str:
    step = face.step
    facts = joined(kind_of(step), face.model, face.region, step.name)
    return (
        f'<div class="sq-row sq-edge-{look_of(face.state).colour}">'
        f'<a class="sq-id" data-cell="{step.id}" href="{escape(face.href)}" target="_self">{step.id}</a>'
        f'<span class="sq-facts">{escape(facts)}</span></div>'
    )


def _right(face: CellFace) -> str:
    facts = escape(_cell_facts(face.cell))
    return f'<div class="sq-row sq-right"><span class="sq-facts">{facts}</span>{state_badge(face.state)}</div>'


def _cell_facts(cell: CellView) -> str:
    run = cell.step_run
    if run is not None and run.status in ("completed", "reused", "failed") and cell.state != "running":
        # A step that calls no model never costs anything: its price is left out.
        cost = format_credits(run.credit_micros) if run.model or run.credit_micros else None
        return joined(duration(run.duration_ms), tokens(run.input_tokens + run.output_tokens), cost)
    low, _, high = cell.quote
    return credits_range(low, high) if high else ""


def _draw_live(cell: CellView) -> None:
    if cell.live_text:
        st.html(f'<div class="sq-live">{escape(cell.live_text)}<span class="sq-caret"></span></div>')
    else:
        st.html('<div class="sq-empty">Working…</div>')


def _chosen(step_id: str, choose: Callable[[str, str], None]) -> None:
    choice = st.session_state.get(f"menu-{step_id}")
    if choice in MENU:
        choose(step_id, choice)
