"""One step of a run: what it left, what it asks of a person, and running again from it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.domain import ACTIVE, WITH_OUTPUT, AttemptView, CellView, ReviewView, RunView, StepRunView
from core.execution.history import trace
from core.execution.items import failed_items
from core.execution.live import LiveNews
from core.pipelines.definition import Definition
from core.shared.money import format_credits
from pages.ui.badges import state_badge, step_state
from pages.ui.cell import draw_result, draw_step_error
from pages.ui.fork import pins_of
from pages.ui.kinds import kind_of
from pages.ui.memory import ask_dialog
from pages.ui.navigator import base_path
from pages.ui.review_card import decided_html
from pages.ui.step_tabs import draw_attempts, draw_prompt, draw_raw, draw_tabs, draw_trace, failed_items_html
from pages.ui.words import duration, joined, tokens
from pages.workspace.notebook_cells import draw_open_reviews
from pages.workspace.run_actions import retry, unpin_output


@dataclass(frozen=True)
class ShownRun:
    """A run with what the page shows of it."""

    run: RunView
    definition: Definition
    step: StepRunView | None
    """The step in the address, else the failed or running one; None: the run's own input and output."""
    news: LiveNews
    reviews: tuple[ReviewView, ...]


def run_href(run: RunView, **query: object) -> str:
    """The address of a run's page, and of one thing on it."""
    return f"{base_path()}run?{urlencode({'run': run.id, **query})}"


def draw_step(shown: ShownRun, step: StepRunView) -> None:
    written = shown.definition.step(step.step_id)
    chosen = _attempt(step)
    used = tokens(step.input_tokens + step.output_tokens)
    kind = kind_of(written) if written else step.type
    facts = escape(joined(kind, step.model, duration(step.duration_ms), used, format_credits(step.credit_micros)))
    badge = state_badge(step_state(step.status, step.error))
    st.html(
        f'<div class="sq-row"><h2 class="sq-id">{escape(step.step_id)}</h2>{badge}'
        f'<span class="sq-facts">{facts}</span></div>{_attempts_html(shown.run, step, chosen)}'
    )
    key = f"step-{step.step_id}"
    what = chosen or step
    _draw_step_actions(shown, step)
    _draw_progress(shown, step)

    def result() -> None:
        if chosen is not None:
            _draw_attempt(chosen)
        elif written is not None:
            text, progress = shown.news.texts.get(step.step_id), shown.news.progress.get(step.step_id)
            draw_result(CellView(step.step_id, step.status, None, step, (0, 0, 0), text, progress), written, key=key)
            _draw_reviews(shown, step)

    def attempts() -> None:
        draw_attempts(step, lambda number: run_href(shown.run, step=step.step_id, attempt=number))

    def events() -> None:
        draw_trace(trace(get_runtime(), shown.run.owner_id, shown.run.id, step.step_id))

    tabs = [("Output", result)]
    if what.prompt_sent is not None or step.type == "llm":
        tabs.append(("Prompt sent", lambda: draw_prompt(what, step.step_id, key=key)))
    if what.raw_output is not None or step.type == "llm":
        tabs.append(("Raw", lambda: draw_raw(what, step.step_id, key=key)))
    draw_tabs([*tabs, ("Trace", events), ("Attempts", attempts)], key=key)


def _draw_step_actions(shown: ShownRun, step: StepRunView) -> None:
    """Running again from a step, and fixing its output first."""
    run = shown.run
    if run.pipeline_id is None or run.status in ACTIVE or step.step_id not in shown.definition.step_ids:
        return
    with st.container(key="step-actions", horizontal=True):
        st.button(
            "Run again from here…", key="step-fork", icon=":material/fork_right:", type="tertiary",
            on_click=_ask, args=("fork", step.step_id),
        )  # fmt: skip
        if step.step_id in pins_of(run.id):
            st.html(state_badge("pinned"), width="content")
            st.button(
                "Unpin", key="step-unpin", icon=":material/keep_off:", type="tertiary",
                on_click=unpin_output, args=(run.id, step.step_id),
            )  # fmt: skip
        elif step.status in WITH_OUTPUT:
            st.button(
                "Pin or edit output…", key="step-pin", icon=":material/keep:", type="tertiary",
                on_click=_ask, args=("pin", step.step_id),
            )  # fmt: skip


def _ask(dialog: str, step_id: str) -> None:
    ask_dialog(dialog, step_id=step_id)


def _draw_progress(shown: ShownRun, step: StepRunView) -> None:
    """The items of a `map` that failed, and a way to repeat only them."""
    if step.type != "map" or not step.error or step.error.get("code") != "ITEMS_FAILED":
        return
    failed = failed_items(get_runtime(), shown.run.owner_id, shown.run.id, step.step_id)
    st.html(failed_items_html(failed, step.step_id))
    if shown.run.status == "failed":
        st.button(
            "Retry only what failed", key="step-retry-items", icon=":material/replay:", type="primary",
            help="The items that are done are kept and cost nothing again.", on_click=retry, args=(shown.run.id,),
        )  # fmt: skip


def _draw_reviews(shown: ShownRun, step: StepRunView) -> None:
    """What a step asks of a person, and what was decided."""
    draw_open_reviews(shown.reviews, step.step_id)
    now = get_runtime().clock.now()
    for review in shown.reviews:
        if review.step_id == step.step_id and review.status != "open":
            st.html(decided_html(review, now=now))


def _draw_attempt(chosen: AttemptView) -> None:
    """What an earlier attempt left."""
    if chosen.error:
        draw_step_error(chosen)
    else:
        st.html('<div class="sq-empty">This attempt left no error. What it made is under Raw.</div>')


def _attempt(step: StepRunView) -> AttemptView | None:
    """The earlier attempt in the address; None for the newest."""
    asked = st.query_params.get("attempt")
    return next((one for one in step.attempts[:-1] if str(one.attempt) == asked), None)


def _attempts_html(run: RunView, step: StepRunView, chosen: AttemptView | None) -> str:
    """The attempts as a row of links, where there are several."""
    if len(step.attempts) < 2:
        return ""
    links = "".join(
        f'<a href="{escape(run_href(run, step=step.step_id, attempt=one.attempt))}" target="_self" '
        f'aria-current="{str(one is (chosen or step.attempts[-1])).lower()}">Attempt {one.attempt}'
        f"{state_badge(step_state(one.status, one.error))}</a>"
        for one in step.attempts
    )
    return f'<nav class="sq-pills" aria-label="Attempts">{links}</nav>'
