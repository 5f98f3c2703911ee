"""A cell of the notebook as it is read: head, reason, prompt, output. The open cell is in `cell_editor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import streamlit as st

from core.execution.domain import WITH_OUTPUT, AttemptView, CellView, MapProgress, StepRunView
from core.pipelines.definition import BaseStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.parsing import Issue
from core.shared.money import format_credits
from pages.ui.badges import look_of, state_badge, step_state
from pages.ui.kinds import kind_of, reads_as_code, reads_as_markdown, source_text
from pages.ui.outputs import draw_output
from pages.ui.prompts import prompt_html, with_code
from pages.ui.words import count, credits_range, duration, joined, tokens

MENU = {
    "from_here": "Run from here",
    "pin": "Edit its output and run on",
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
    is_inner: bool = False
    """Whether it stands inside another step, so that it cannot be run alone."""
    is_repeated: bool = False
    """Whether it stands inside a `map`: what its items left is shown there."""
    draw_inside: Callable[[], None] | None = None
    """Draws the cells inside it; None where there are none."""

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
    attend: Callable[[str], None] = lambda _: None
    """Draws what a waiting step asks of the person."""


def cell_key(face: CellFace) -> str:
    """The key of a cell's container: those inside a step look quieter."""
    return f"{'inner' if face.is_inner else 'cell'}-{face.step.id}"


def draw_cell_head(face: CellFace, actions: CellActions) -> None:
    """The first line of a cell: what it is on the left; facts, state, run and menu on the right."""
    step = face.step
    with st.container(key=f"head-{step.id}", horizontal=True, vertical_alignment="center"):
        st.html(_left(face))
        st.html('<div class="sq-row sq-right"></div>' if face.is_repeated else _right(face), width="content")
        if not face.is_inner:
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
        menu = _menu(face)
        st.menu_button(
            f"More for {step.id}",
            list(menu),
            key=f"menu-{step.id}",
            icon=":material/more_vert:",
            type="tertiary",
            format_func=lambda choice: menu[choice],
            on_click=_chosen,
            args=(step.id, actions.choose),
        )
    if face.cell.reason and face.cell.state == "stale":
        st.html(f'<div class="sq-reason"><b>Stale:</b> {escape(face.cell.reason)}</div>')


def draw_light_cell(face: CellFace, actions: CellActions) -> None:
    """A cell that is not open: its prompt opens it."""
    with st.container(key=cell_key(face)):
        draw_cell_head(face, actions)
        text = source_text(face.step)
        if text or face.draw_inside is None:
            label = f"Open {face.step.id} to edit it"
            st.html(prompt_html(text, href=face.href, label=label, code=reads_as_code(face.step)))
        if face.draw_inside is not None:
            face.draw_inside()
        draw_cell_issues(face)
        if not face.is_repeated and not (isinstance(face.step, ParallelStep) and face.cell.state != "failed"):
            # What a `parallel` step made stands in the cells inside it.
            draw_result(face.cell, face.step, key=f"out-{face.step.id}")
        if face.cell.state == "waiting":
            actions.attend(face.step.id)


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
    elif cell.state == "waiting":
        return  # what is asked for stands below
    elif run is not None and run.error and run.status != "skipped":
        draw_step_error(run)
    elif run is not None and run.status in ("completed", "reused"):
        draw_output(run.parsed_output, markdown=reads_as_markdown(step), key=key, file_name=step.id)
    elif run is not None and run.status == "skipped":
        why = f"Skipped: {run.reason}" if run.reason else "Skipped in the last run."
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


def draw_progress(progress: MapProgress) -> None:
    """How many items of a `map` are done."""
    failed = f", {count(progress.failed, 'item')} failed" if progress.failed else ""
    said = f"{progress.done:,} of {count(progress.count, 'item')} done{failed}"
    share = 100 * progress.done / progress.count if progress.count else 100
    bad = 100 * progress.failed / progress.count if progress.count else 0
    st.html(
        f'<div class="sq-progress"><div class="sq-meter" role="progressbar" aria-valuemin="0" '
        f'aria-valuemax="{progress.count}" aria-valuenow="{progress.done}" aria-label="{said}">'
        f'<span style="width:{share - bad:.1f}%"></span><i style="width:{bad:.1f}%"></i></div>'
        f'<span class="sq-facts">{said}</span></div>'
    )


def _menu(face: CellFace) -> dict[str, str]:
    offered = dict(MENU)
    if face.is_inner:
        del offered["from_here"]
    if face.is_inner or face.cell.step_run is None or face.cell.step_run.status not in WITH_OUTPUT:
        del offered["pin"]
    return offered


def _draw_live(cell: CellView) -> None:
    if cell.progress is not None:
        draw_progress(cell.progress)
    elif cell.live_text:
        st.html(f'<div class="sq-live">{escape(cell.live_text)}<span class="sq-caret"></span></div>')
    else:
        st.html('<div class="sq-empty">Working…</div>')


def _chosen(step_id: str, choose: Callable[[str, str], None]) -> None:
    choice = st.session_state.get(f"menu-{step_id}")
    if choice in MENU:
        choose(step_id, choice)
