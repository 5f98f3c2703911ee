"""One run: its facts, a waterfall, its steps, and the failed one opened first."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.delivery_queries import deliveries_of_run
from core.execution.domain import ACTIVE, ReviewView, RunView, StepRunView
from core.execution.live import LiveNews, live_news
from core.execution.queries import get_run, list_runs
from core.execution.review_queries import reviews_of_run
from core.pipelines.definition import Definition
from core.pipelines.graph import dependencies
from core.pipelines.kinds.condition import ConditionStep
from core.shared.errors import NotFound
from core.shared.money import format_credits
from pages.ui.badges import state_badge, step_state, text_badge
from pages.ui.comparison import comparison_html
from pages.ui.delivery_table import delivery_html, delivery_title
from pages.ui.fork import fork_dialog, pins_of
from pages.ui.memory import ask_dialog, take_dialog
from pages.ui.navigator import base_path
from pages.ui.notices import draw_notices
from pages.ui.outputs import draw_output
from pages.ui.pin import pin_dialog
from pages.ui.prompts import with_code
from pages.ui.quote_bars import KEY, quote_bars_html, quote_bars_of
from pages.ui.session import current_session
from pages.ui.vendor_notice import draw_vendor_notice
from pages.ui.waterfall import bars_of, draw_waterfall
from pages.ui.words import ago, count, credits_range, duration, joined, time_html, tokens, trigger
from pages.workspace.notebook_files import file_actions
from pages.workspace.run_actions import (
    cancel,
    compare,
    continue_anyway,
    definitions_of,
    fork,
    pin_output,
    retry,
)
from pages.workspace.run_step import ShownRun, draw_step, run_href

POLL_SECONDS = 0.5
WAITING_SECONDS = 2.0
COMPARABLE = 20
TROUBLE_ADVICE = "Retry what failed later, or give its steps a fallback model of another vendor in the notebook."


def run_page() -> None:
    """Draws the run in the address; while it is active, again and again."""
    session = current_session(get_runtime())
    run_id = st.query_params.get("run")
    if not run_id:
        st.html(f'<div class="sq-empty">Choose a run in <a class="sq-link" href="{base_path()}runs">Runs</a>.</div>')
        return
    run = get_run(get_runtime(), session.account.id, run_id)
    _draw_header(run)
    draw_notices()
    used = (Definition.model_validate(each) for each in (run.definition,))  # read only when there is trouble
    draw_vendor_notice(get_runtime(), used, TROUBLE_ADVICE)
    if run.over_budget:
        _draw_paused(run)
    other = _compared(run)
    if other is not None:
        _draw_comparison(run, other)
    elif run.status in ACTIVE:
        pause = WAITING_SECONDS if run.status == "waiting" else POLL_SECONDS
        st.fragment(_draw_again, run_every=pause)(run_id, run.status)
    else:
        with st.container():
            _draw_body(_shown(run, LiveNews()))
        _draw_deliveries(run)
    _open_dialog(run)


def _draw_again(run_id: str, status: str) -> None:
    runtime = get_runtime()
    run = get_run(runtime, current_session(runtime).account.id, run_id)
    if run.status not in ACTIVE or (run.status != status and "waiting" in (run.status, status)):
        st.rerun()
    _draw_body(_shown(run, live_news(runtime, run_id)))


def _shown(run: RunView, news: LiveNews) -> ShownRun:
    by_id = {step.step_id: step for step in run.steps}
    asked = st.query_params.get("step")
    step = by_id.get(asked or "")
    if asked is None:
        step = next((one for one in run.steps if _needs_eyes(one)), None)
    reviews: tuple[ReviewView, ...] = ()
    if any(one.type in ("human_review", "map", "pipeline") for one in run.steps):
        reviews = reviews_of_run(get_runtime(), run.owner_id, run.id)
    return ShownRun(run, Definition.model_validate(run.definition), step, news, reviews)


def _needs_eyes(step: StepRunView) -> bool:
    """What failed, runs or waits is opened first, what holds it only when nothing in it does."""
    return step_state(step.status, step.error) in ("failed", "running", "waiting") and step.type != "parallel"


# The top


def _draw_header(run: RunView) -> None:
    version = f"v{run.pipeline_version}" if run.pipeline_version else "draft"
    with st.container(key="run-header", horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="sq-row"><h1 class="sq-title">{escape(run.pipeline_name)}</h1>'
            f"{text_badge(version)}{state_badge(run.status, run=True)}</div>"
        )
        if run.status in ACTIVE:
            st.button("Cancel run", key="run-cancel", icon=":material/stop_circle:", on_click=cancel, args=(run.id,))
        elif run.status in ("failed", "cancelled"):
            st.button(
                "Retry from failed" if run.status == "failed" else "Go on", key="run-retry", type="primary",
                icon=":material/replay:", help="What has completed is reused and costs nothing again.",
                on_click=retry, args=(run.id,),
            )  # fmt: skip
        if run.pipeline_id and run.status not in ACTIVE:
            st.button(
                "Run again…", key="run-fork", icon=":material/fork_right:", on_click=ask_dialog, args=("fork",),
                help="Choose where to begin, change the inputs, and see what is reused.",
            )  # fmt: skip
        if run.pipeline_id:
            _draw_compare(run)
            query = {"pipeline": run.pipeline_id}
            st.html(
                f'<a class="sq-button" href="{base_path()}?{urlencode(query)}" target="_self">Open in notebook</a>',
                width="content",
            )
    quoted = f"quoted {credits_range(run.quote.low_micros, run.quote.max_micros)}"
    if run.quote.max_micros:
        quoted += f", likely {format_credits(run.quote.likely_micros)}"
    charged = f"charged {format_credits(run.credit_micros)}"
    again, saved = run.reused
    reused = f"{count(again, 'output')} reused ({format_credits(saved)})" if again else None
    facts = escape(
        joined(trigger(run.trigger_type), duration(run.duration_ms), tokens(run.total_tokens), quoted, charged, reused)
    )
    started = time_html(run.started_at or run.created_at, get_runtime().clock.now())
    st.html(f'<div class="sq-facts">{started} · {facts}</div>')


def _draw_paused(run: RunView) -> None:
    """Why a run waits for its budget, and what going on may cost."""
    budget = Definition.model_validate(run.definition).budget
    limit = f"{budget.max_credits:g} cr" if budget else "its limit"
    most = format_credits(run.quote.max_micros)
    with st.container(key="run-paused"):
        st.html(
            f'<div class="sq-reason"><b>Paused by its budget of {limit}.</b> {format_credits(run.credit_micros)} are '
            "spent, and the next call could pass the budget. What is done is kept.</div>"
            f'<div class="sq-facts">Continue anyway lifts the budget for this run only: all of it may cost up to '
            f"<b>{most}</b>, as quoted. Cancel run ends it here.</div>"
        )
        st.button(
            f"Continue anyway, up to {most}", key="run-continue", type="primary", icon=":material/play_arrow:",
            on_click=continue_anyway, args=(run.id,),
        )  # fmt: skip


def _draw_compare(run: RunView) -> None:
    """Chooses another run of the same pipeline to lay beside this one."""
    runtime = get_runtime()
    with st.popover("Compare", icon=":material/compare_arrows:", key="run-compare"):
        found = list_runs(runtime, run.owner_id, pipeline_id=run.pipeline_id, limit=COMPARABLE).items
        others = {one.id: one for one in found if one.id != run.id}
        if not others:
            st.html('<div class="sq-empty">There is no other run of this pipeline yet.</div>')
            return
        now = runtime.clock.now()
        st.selectbox(
            "With the run of",
            list(others),
            index=None,
            key="run-compare-with",
            placeholder="Choose a run",
            format_func=lambda one: joined(ago(others[one].created_at, now), others[one].status),
            on_change=compare,
            args=(run.id,),
        )


# The body


def _draw_body(shown: ShownRun) -> None:
    run, step = shown.run, shown.step
    told = step is not None and step.error is not None and step.error.get("message") == (run.error or {}).get("message")
    if run.error and run.status == "failed" and not told:
        _draw_run_error(run)
    bars = bars_of(
        run.steps,
        dependencies(shown.definition),
        created_at=run.created_at,
        href=lambda step_id: run_href(run, step=step_id),
        current=step.step_id if step else None,
        notes=_notes(shown),
    )
    with st.container(border=True, key="run-waterfall"):
        draw_waterfall(bars, created_at=run.created_at, now=get_runtime().clock.now())
    if run.quote.max_micros:
        _draw_quotes(run)
    left, right = st.columns([1, 2.9], gap="medium")
    with left:
        current = ' aria-current="true"' if step is None else ""
        whole = f'<a class="sq-grow" href="{escape(run_href(run, step="-"))}" target="_self">Input and output</a>'
        items = "".join(_item(run, one, step) for one in run.steps)
        st.html(f'<ul class="sq-list sq-steps" aria-label="Steps"><li{current}>{whole}</li>{items}</ul>')
    with right:
        if step is None:
            _draw_ends(run)
        else:
            draw_step(shown, step)


def _draw_quotes(run: RunView) -> None:
    """What was quoted beside what was charged: of the run, and on demand of its steps."""
    whole, *steps = quote_bars_of(run)
    with st.container(border=True, key="run-quotes"):
        st.html(quote_bars_html([whole]) + KEY)
        if len(steps) > 1:
            with st.expander("Step by step", key="run-quotes-steps"):
                st.html(quote_bars_html(steps))


def _notes(shown: ShownRun) -> dict[str, str]:
    """Where control went after the conditions of a run, and why steps were not reached."""
    notes: dict[str, str] = {}
    for one in shown.run.steps:
        written = shown.definition.step(one.step_id)
        if isinstance(written, ConditionStep) and isinstance(one.parsed_output, bool):
            target = written.then if one.parsed_output else written.else_
            notes[one.step_id] = f"{str(one.parsed_output).lower()}{f' → {target}' if target else ''}"
        elif one.status == "skipped" and not one.reason and shown.run.status in ("failed", "cancelled"):
            notes[one.step_id] = "The run ended before it."
    return notes


def _draw_deliveries(run: RunView) -> None:
    sent = deliveries_of_run(get_runtime(), run.owner_id, run.id)
    if sent:
        st.html(f'<h2 class="sq-label">{delivery_title(sent)}</h2>{delivery_html(sent, get_runtime().clock.now())}')


def _open_dialog(run: RunView) -> None:
    dialog, details = take_dialog()
    if dialog == "fork" and run.pipeline_id:
        runtime = get_runtime()
        files = file_actions(runtime, current_session(runtime).account)
        fork_dialog(run, details.get("step_id"), definitions_of(run), files, lambda request: fork(run, request))
    elif dialog == "pin":
        step_id = details["step_id"]
        output = next((one.parsed_output for one in run.steps if one.step_id == step_id), None)
        pin_dialog(
            step_id, pins_of(run.id).get(step_id, output), label="Pin this output",
            note="It stands in for the step the next time this run is run again. Nothing is run yet.",
            use=lambda value: pin_output(run.id, step_id, value),
        )  # fmt: skip


def _draw_run_error(run: RunView) -> None:
    error = run.error or {}
    place = f" in {error['step_id']}" if error.get("step_id") else ""
    st.html(
        f'<div class="sq-error" role="alert"><b>Failed{escape(place)}</b> <code>{escape(str(error.get("code")))}</code>'
        f"<p>{with_code(str(error.get('message')))}</p></div>"
    )


def _draw_ends(run: RunView) -> None:
    st.html('<h2 class="sq-label">Output of the run</h2>')
    if run.status == "completed":
        draw_output(run.output_data, markdown=True, key=f"run-{run.id}", file_name="output")
    else:
        st.html('<div class="sq-empty">A run has an output once it has completed.</div>')
    st.html('<h2 class="sq-label">Input</h2>')
    draw_output(run.input_data, markdown=False, key=f"input-{run.id}", file_name="input")


def _item(run: RunView, step: StepRunView, chosen: StepRunView | None) -> str:
    current = ' aria-current="true"' if chosen is not None and chosen.step_id == step.step_id else ""
    indent = f' style="padding-left:{0.6 + 0.9 * step.depth:.1f}rem"' if step.depth else ""
    return (
        f'<li{current}{indent}><a class="sq-grow" href="{escape(run_href(run, step=step.step_id))}" target="_self">'
        f"{escape(step.step_id)}</a>{state_badge(step_state(step.status, step.error))}</li>"
    )


# Beside another run


def _compared(run: RunView) -> RunView | None:
    asked = st.query_params.get("compare")
    if not asked or asked == run.id:
        return None
    try:
        return get_run(get_runtime(), run.owner_id, asked)
    except NotFound:
        return None


def _draw_comparison(run: RunView, other: RunView) -> None:
    st.html(comparison_html(run, other, now=get_runtime().clock.now(), back=run_href(run)))
