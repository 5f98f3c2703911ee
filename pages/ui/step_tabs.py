"""Everything one step of a run left: output, prompt sent, raw answer, attempts."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from core.execution.domain import StepRunView
from core.shared.money import format_credits
from pages.ui.badges import state_badge, step_state
from pages.ui.outputs import draw_plain
from pages.ui.words import duration, exact, joined


def draw_step_tabs(step: StepRunView, draw_result: Callable[[], None], *, key: str, last: str = "Attempts") -> None:
    """Four tabs; `draw_result` fills the first. `last` names the fourth."""
    output, sent, raw, attempts = st.tabs(["Output", "Prompt sent", "Raw", last], key=f"tabs-{key}")
    with output:
        draw_result()
    with sent:
        _draw_text(step.prompt_sent, "This step sends no prompt.", f"{key}-prompt", f"{step.step_id}-prompt")
    with raw:
        _draw_text(step.raw_output, "Nothing came back.", f"{key}-raw", f"{step.step_id}-raw")
    with attempts:
        _draw_attempts(step)


def _draw_attempts(step: StepRunView) -> None:
    if not step.attempts:
        st.html('<div class="sq-empty">Not started yet.</div>')
        return
    rows = "".join(
        f"<tr><td>{attempt.attempt}</td><td>{state_badge(step_state(attempt.status, attempt.error))}</td>"
        f"<td>{exact(attempt.started_at)}</td>"
        f'<td class="sq-num">{duration(attempt.duration_ms)}</td>'
        f"<td>{escape(str((attempt.error or {}).get('message') or ''))}</td></tr>"
        for attempt in step.attempts
    )
    head = '<th>Attempt</th><th>Status</th><th>Started</th><th class="sq-num">Duration</th><th>Error</th>'
    table = f'<table class="sq-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    st.html(f'<div class="sq-scroll">{table}</div>')
    tokens = f"{step.input_tokens:,} tokens in, {step.output_tokens:,} out" if step.model else None
    stop = f"stopped: {step.stop_reason}" if step.stop_reason else None
    facts = joined(step.model, step.provider, tokens, stop, format_credits(step.credit_micros))
    st.html(f'<div class="sq-facts">{escape(facts)}</div>')


def _draw_text(text: str | None, otherwise: str, key: str, file_name: str) -> None:
    if text:
        draw_plain(text, key=key, file_name=file_name)
    else:
        st.html(f'<div class="sq-empty">{escape(otherwise)}</div>')
