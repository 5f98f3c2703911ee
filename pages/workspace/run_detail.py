"""One run: its facts, a waterfall, its steps, and the failed one opened first."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.commands import cancel_run, retry_run
from core.execution.domain import ACTIVE, CellView, RunView, StepRunView
from core.execution.queries import get_run, live_texts
from core.pipelines.definition import Definition
from core.shared.money import format_credits
from pages.ui.badges import state_badge, step_state, text_badge
from pages.ui.cell import draw_result
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices
from pages.ui.outputs import draw_output
from pages.ui.session import current_session, guarded
from pages.ui.step_tabs import draw_step_tabs
from pages.ui.waterfall import Bar, draw_waterfall
from pages.ui.words import credits_range, duration, joined, time_html, tokens

POLL_SECONDS = 0.5


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
    if run.status in ACTIVE:
        st.fragment(_draw_again, run_every=POLL_SECONDS)(run_id)
    else:
        with st.container():
            _draw_body(run, {})


def _draw_again(run_id: str) -> None:
    runtime = get_runtime()
    run = get_run(runtime, current_session(runtime).account.id, run_id)
    if run.status not in ACTIVE:
        st.rerun()
    _draw_body(run, live_texts(runtime, run_id))


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
            query = {"pipeline": run.pipeline_id}
            st.html(
                f'<a class="sq-button" href="{base_path()}?{urlencode(query)}" target="_self">Open in notebook</a>',
                width="content",
            )
    quoted = f"quoted {credits_range(run.quote.low_micros, run.quote.max_micros)}"
    charged = f"charged {format_credits(run.credit_micros)}"
    facts = escape(
        joined(f"{run.trigger_type} run", duration(run.duration_ms), tokens(run.total_tokens), quoted, charged)
    )
    started = time_html(run.started_at or run.created_at, get_runtime().clock.now())
    st.html(f'<div class="sq-facts">{started} · {facts}</div>')


def _draw_body(run: RunView, texts: dict[str, str]) -> None:
    if run.error and run.status == "failed":
        _draw_run_error(run)
    chosen = _chosen(run)
    bars = [
        Bar(
            step.step_id,
            step_state(step.status, step.error),
            step.started_at,
            step.completed_at,
            step.credit_micros,
            _href(run, step.step_id),
        )
        for step in run.steps
    ]
    with st.container(border=True, key="run-waterfall"):
        draw_waterfall(bars, created_at=run.created_at, now=get_runtime().clock.now())
    left, right = st.columns([1, 2.6])
    with left:
        current = ' aria-current="true"' if chosen is None else ""
        whole = f'<a class="sq-grow" href="{escape(_href(run, "-"))}" target="_self">Input and output</a>'
        steps = "".join(_item(run, step, chosen) for step in run.steps)
        st.html(f'<ul class="sq-list" aria-label="Steps"><li{current}>{whole}</li>{steps}</ul>')
    with right:
        if chosen is None:
            _draw_ends(run)
        else:
            _draw_step(run, chosen, texts)


def _draw_run_error(run: RunView) -> None:
    error = run.error or {}
    place = f" in {error['step_id']}" if error.get("step_id") else ""
    st.html(
        f'<div class="sq-error" role="alert"><b>Failed{escape(place)}</b> <code>{escape(str(error.get("code")))}</code>'
        f"<p>{escape(str(error.get('message')))}</p></div>"
    )


def _draw_ends(run: RunView) -> None:
    st.html('<div class="sq-label">Output of the run</div>')
    draw_output(run.output_data, markdown=True, key=f"run-{run.id}", file_name="output")
    st.html('<div class="sq-label">Input</div>')
    draw_output(run.input_data, markdown=False, key=f"input-{run.id}", file_name="input")


def _draw_step(run: RunView, step: StepRunView, texts: dict[str, str]) -> None:
    used = tokens(step.input_tokens + step.output_tokens)
    facts = escape(joined(step.type, step.model, duration(step.duration_ms), used, format_credits(step.credit_micros)))
    badge = state_badge(step_state(step.status, step.error))
    st.html(
        f'<div class="sq-row"><span class="sq-id">{step.step_id}</span>{badge}'
        f'<span class="sq-facts">{facts}</span></div>'
    )
    written = Definition.model_validate(run.definition).step(step.step_id)
    cell = CellView(step.step_id, step.status, None, step, (0, 0, 0), texts.get(step.step_id))
    if written is None or step.status in ("pending", "running", "waiting"):
        if written is not None:
            draw_result(cell, written, key=f"step-{step.step_id}")
        return
    key = f"step-{step.step_id}"
    draw_step_tabs(step, lambda: draw_result(cell, written, key=key), key=key)


def _chosen(run: RunView) -> StepRunView | None:
    """The step in the address, else the failed one, else none: then the run's own output is shown."""
    by_id = {step.step_id: step for step in run.steps}
    asked = st.query_params.get("step")
    if asked in by_id:
        return by_id[asked]
    if asked is None:
        return next((step for step in run.steps if step_state(step.status, step.error) in ("failed", "running")), None)
    return None


def _item(run: RunView, step: StepRunView, chosen: StepRunView | None) -> str:
    current = ' aria-current="true"' if chosen is not None and chosen.step_id == step.step_id else ""
    return (
        f'<li{current}><a class="sq-grow" href="{escape(_href(run, step.step_id))}" target="_self">{step.step_id}</a>'
        f"{state_badge(step_state(step.status, step.error))}</li>"
    )


def _href(run: RunView, step_id: str) -> str:
    return f"{base_path()}run?{urlencode({'run': run.id, 'step': step_id})}"


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
