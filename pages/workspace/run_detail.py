"""One run: its facts, a waterfall, its steps, and the failed one opened first."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.commands import cancel_run, retry_run
from core.execution.domain import ACTIVE, AttemptView, CellView, RunView, StepRunView
from core.execution.history import trace
from core.execution.queries import get_run, list_runs, live_texts
from core.pipelines.definition import Definition
from core.pipelines.graph import dependencies
from core.shared.errors import NotFound
from core.shared.money import format_credits
from pages.ui.badges import state_badge, step_state, text_badge
from pages.ui.cell import draw_result, draw_step_error
from pages.ui.comparison import comparison_html
from pages.ui.kinds import kind_of
from pages.ui.memory import widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices
from pages.ui.outputs import draw_output
from pages.ui.session import current_session, guarded
from pages.ui.step_tabs import draw_attempts, draw_prompt, draw_raw, draw_tabs, draw_trace
from pages.ui.waterfall import bars_of, draw_waterfall
from pages.ui.words import ago, credits_range, duration, joined, time_html, tokens, trigger

POLL_SECONDS = 0.5
COMPARABLE = 20


@dataclass(frozen=True)
class Shown:
    """A run with what the page shows of it."""

    run: RunView
    definition: Definition
    step: StepRunView | None
    """The step in the address, else the failed or running one; None: the run's own input and output."""
    texts: dict[str, str]


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
    other = _compared(run)
    if other is not None:
        _draw_comparison(run, other)
    elif run.status in ACTIVE:
        st.fragment(_draw_again, run_every=POLL_SECONDS)(run_id)
    else:
        with st.container():
            _draw_body(_shown(run, {}))


def _draw_again(run_id: str) -> None:
    runtime = get_runtime()
    run = get_run(runtime, current_session(runtime).account.id, run_id)
    if run.status not in ACTIVE:
        st.rerun()
    _draw_body(_shown(run, live_texts(runtime, run_id)))


def _shown(run: RunView, texts: dict[str, str]) -> Shown:
    by_id = {step.step_id: step for step in run.steps}
    asked = st.query_params.get("step")
    step = by_id.get(asked or "")
    if asked is None:
        step = next((one for one in run.steps if step_state(one.status, one.error) in ("failed", "running")), None)
    return Shown(run, Definition.model_validate(run.definition), step, texts)


# The top


def _draw_header(run: RunView) -> None:
    version = f"v{run.pipeline_version}" if run.pipeline_version else "draft"
    with st.container(key="run-header", horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="sq-row"><h1 class="sq-title">{escape(run.pipeline_name)}</h1>'
            f"{text_badge(version)}{state_badge(run.status, run=True)}</div>"
        )
        if run.status in ACTIVE:
            st.button("Cancel run", key="run-cancel", icon=":material/stop_circle:", on_click=_cancel, args=(run.id,))
        elif run.status in ("failed", "cancelled"):
            st.button(
                "Retry from failed" if run.status == "failed" else "Go on", key="run-retry", type="primary",
                icon=":material/replay:", help="What has completed is reused and costs nothing again.",
                on_click=_retry, args=(run.id,),
            )  # fmt: skip
        if run.pipeline_id:
            _draw_compare(run)
            query = {"pipeline": run.pipeline_id}
            st.html(
                f'<a class="sq-button" href="{base_path()}?{urlencode(query)}" target="_self">Open in notebook</a>',
                width="content",
            )
    quoted = f"quoted {credits_range(run.quote.low_micros, run.quote.max_micros)}"
    charged = f"charged {format_credits(run.credit_micros)}"
    facts = escape(
        joined(trigger(run.trigger_type), duration(run.duration_ms), tokens(run.total_tokens), quoted, charged)
    )
    started = time_html(run.started_at or run.created_at, get_runtime().clock.now())
    st.html(f'<div class="sq-facts">{started} · {facts}</div>')


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
            on_change=_compare,
            args=(run.id,),
        )


# The body


def _draw_body(shown: Shown) -> None:
    run, step = shown.run, shown.step
    if run.error and run.status == "failed" and (step is None or step.step_id != run.error.get("step_id")):
        _draw_run_error(run)
    bars = bars_of(
        run.steps,
        dependencies(shown.definition),
        created_at=run.created_at,
        href=lambda step_id: _href(run, step=step_id),
        current=step.step_id if step else None,
    )
    with st.container(border=True, key="run-waterfall"):
        draw_waterfall(bars, created_at=run.created_at, now=get_runtime().clock.now())
    left, right = st.columns([1, 2.9], gap="medium")
    with left:
        current = ' aria-current="true"' if step is None else ""
        whole = f'<a class="sq-grow" href="{escape(_href(run, step="-"))}" target="_self">Input and output</a>'
        items = "".join(_item(run, one, step) for one in run.steps)
        st.html(f'<ul class="sq-list sq-steps" aria-label="Steps"><li{current}>{whole}</li>{items}</ul>')
    with right:
        if step is None:
            _draw_ends(run)
        else:
            _draw_step(shown, step)


def _draw_run_error(run: RunView) -> None:
    error = run.error or {}
    place = f" in {error['step_id']}" if error.get("step_id") else ""
    st.html(
        f'<div class="sq-error" role="alert"><b>Failed{escape(place)}</b> <code>{escape(str(error.get("code")))}</code>'
        f"<p>{escape(str(error.get('message')))}</p></div>"
    )


def _draw_ends(run: RunView) -> None:
    st.html('<h2 class="sq-label">Output of the run</h2>')
    if run.status == "completed":
        draw_output(run.output_data, markdown=True, key=f"run-{run.id}", file_name="output")
    else:
        st.html('<div class="sq-empty">A run has an output once it has completed.</div>')
    st.html('<h2 class="sq-label">Input</h2>')
    draw_output(run.input_data, markdown=False, key=f"input-{run.id}", file_name="input")


def _draw_step(shown: Shown, step: StepRunView) -> None:
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

    def result() -> None:
        if chosen is not None:
            _draw_attempt(chosen)
        elif written is not None:
            text = shown.texts.get(step.step_id)
            draw_result(CellView(step.step_id, step.status, None, step, (0, 0, 0), text), written, key=key)

    def attempts() -> None:
        draw_attempts(step, lambda number: _href(shown.run, step=step.step_id, attempt=number))

    def events() -> None:
        draw_trace(trace(get_runtime(), shown.run.owner_id, shown.run.id, step.step_id))

    draw_tabs(
        [
            ("Output", result),
            ("Prompt sent", lambda: draw_prompt(what, step.step_id, key=key)),
            ("Raw", lambda: draw_raw(what, step.step_id, key=key)),
            ("Trace", events),
            ("Attempts", attempts),
        ],
        key=key,
    )


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
        f'<a href="{escape(_href(run, step=step.step_id, attempt=one.attempt))}" target="_self" '
        f'aria-current="{str(one is (chosen or step.attempts[-1])).lower()}">Attempt {one.attempt}'
        f"{state_badge(step_state(one.status, one.error))}</a>"
        for one in step.attempts
    )
    return f'<nav class="sq-pills" aria-label="Attempts">{links}</nav>'


def _item(run: RunView, step: StepRunView, chosen: StepRunView | None) -> str:
    current = ' aria-current="true"' if chosen is not None and chosen.step_id == step.step_id else ""
    return (
        f'<li{current}><a class="sq-grow" href="{escape(_href(run, step=step.step_id))}" target="_self">'
        f"{escape(step.step_id)}</a>{state_badge(step_state(step.status, step.error))}</li>"
    )


def _href(run: RunView, **query: object) -> str:
    return f"{base_path()}run?{urlencode({'run': run.id, **query})}"


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
    st.html(comparison_html(run, other, now=get_runtime().clock.now(), back=_href(run)))


# What a person does


def _compare(run_id: str) -> None:
    other = widget_text("run-compare-with")
    if other:
        st.query_params.from_dict({"run": run_id, "compare": other})


@guarded
def _cancel(run_id: str) -> None:
    runtime = get_runtime()
    attempt(lambda: cancel_run(runtime, current_session(runtime).account.id, run_id))


@guarded
def _retry(run_id: str) -> None:
    runtime = get_runtime()
    owner = current_session(runtime).account

    def again() -> None:
        st.query_params.from_dict({"run": retry_run(runtime, owner, run_id).id})

    attempt(again)
