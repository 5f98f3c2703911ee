"""Everything one step of a run left, a tab each: output, prompt sent, raw answer, and what happened when."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from typing import Any

import streamlit as st

from core.execution.domain import AttemptView, RunEvent, StepRunView
from core.execution.history import CellRun
from core.execution.items import FailedItem
from core.shared.money import format_credits
from pages.ui.badges import state_badge, step_state
from pages.ui.outputs import draw_plain
from pages.ui.personal_data import found_in_prompt
from pages.ui.prompts import with_code
from pages.ui.words import duration, exact, joined, time_html

Tab = tuple[str, Callable[[], None]]
PREVIEW_CHARACTERS = 140


def draw_tabs(tabs: Sequence[Tab], *, key: str) -> None:
    """Tabs of which only the open one is computed."""
    opened = st.tabs([name for name, _ in tabs], key=f"tabs-{key}", on_change="rerun")
    for tab, (_, draw) in zip(opened, tabs, strict=True):
        if tab.open:
            with tab:
                draw()


def draw_prompt(step: StepRunView | AttemptView, name: str, *, key: str) -> None:
    """What was sent to the model, and what personal data was found in it."""
    if isinstance(step, StepRunView) and step.personal_data:
        st.html(f'<p class="sq-facts">{found_in_prompt(step.personal_data, step.placeholders)}</p>')
    _draw_text(step.prompt_sent, "This step sends no prompt.", f"{key}-prompt", f"{name}-prompt")


def draw_raw(step: StepRunView | AttemptView, name: str, *, key: str) -> None:
    """What came back, before anything was made of it."""
    _draw_text(step.raw_output, "Nothing came back.", f"{key}-raw", f"{name}-raw")


def draw_attempts(step: StepRunView, href: Callable[[int], str]) -> None:
    """Every attempt with how it ended, each a link to its own prompt and answer."""
    if not step.attempts:
        st.html('<div class="sq-empty">Not started yet.</div>')
        return
    rows = "".join(
        f'<tr><td><a href="{escape(href(attempt.attempt))}" target="_self">{attempt.attempt}</a></td>'
        f"<td>{state_badge(step_state(attempt.status, attempt.error))}</td>"
        f'<td class="sq-hide-narrow">{exact(attempt.started_at)}</td>'
        f'<td class="sq-num">{duration(attempt.duration_ms)}</td>'
        f'<td class="sq-num">{format_credits(attempt.credit_micros)}</td>'
        f"<td>{with_code(_message(attempt.error))}</td></tr>"
        for attempt in step.attempts
    )
    head = (
        '<th>Attempt</th><th>Status</th><th class="sq-hide-narrow">Started</th><th class="sq-num">Duration</th>'
        '<th class="sq-num">Credits</th><th>Error</th>'
    )
    _draw_table(head, rows)
    used = f"{step.input_tokens:,} tokens in, {step.output_tokens:,} out" if step.model else None
    stop = f"stopped: {step.stop_reason.replace('_', ' ')}" if step.stop_reason else None
    st.html(f'<div class="sq-facts">{escape(joined(step.model, step.provider, used, stop))}</div>')


def draw_trace(events: Sequence[RunEvent]) -> None:
    """What happened, in order, with the time since the first of these events."""
    if not events:
        st.html('<div class="sq-empty">Nothing has happened yet.</div>')
        return
    start = events[0].at
    rows = "".join(
        f'<tr><td class="sq-num" title="{exact(event.at)}">+{duration(_since(start, event))}</td>'
        f"<td>{_event_badge(event)}</td><td>{escape(_event_facts(event))}</td></tr>"
        for event in events
    )
    _draw_table('<th class="sq-num">After</th><th>What</th><th>Details</th>', rows)


def failed_items_html(items: Sequence[FailedItem], step_id: str) -> str:
    """The failed items of a `map`, each with its error, and with its step where that is one inside."""
    named = any(item.step_id != step_id for item in items)
    rows = "".join(
        f'<tr><td class="sq-num">{item.number:,}</td>'
        f"{f'<td>{escape(item.step_id)}</td>' if named else ''}"
        f'<td class="sq-left">{with_code(item.message)}</td></tr>'
        for item in items
    )
    head = f'<th class="sq-num">Item</th>{"<th>Step</th>" if named else ""}<th>What went wrong</th>'
    return (
        f'<div class="sq-scroll sq-items" tabindex="0"><table class="sq-table sq-top"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def draw_history(runs: Sequence[CellRun], href: Callable[[str], str], *, now: datetime) -> None:
    """The earlier runs of a cell, newest first, each a link to its run."""
    if not runs:
        st.html('<div class="sq-empty">This cell has not run yet.</div>')
        return
    rows = "".join(
        f'<tr><td><a href="{escape(href(run.run_id))}" target="_self">{time_html(run.started_at, now)}</a></td>'
        f"<td>{state_badge(step_state(run.status, run.error))}</td>"
        f'<td class="sq-hide-narrow">{escape(run.model or "")}</td>'
        f'<td class="sq-num sq-hide-narrow">{duration(run.duration_ms)}</td>'
        f'<td class="sq-num">{format_credits(run.credit_micros)}</td>'
        f'<td class="sq-left">{with_code(_message(run.error)) if run.error else escape(_preview(run.output))}</td></tr>'
        for run in runs
    )
    head = (
        '<th>When</th><th>Status</th><th class="sq-hide-narrow">Model</th><th class="sq-num sq-hide-narrow">Duration'
        '</th><th class="sq-num">Credits</th><th>What it left</th>'
    )
    _draw_table(head, rows)


def _draw_table(head: str, rows: str) -> None:
    table = f'<table class="sq-table sq-top"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    st.html(f'<div class="sq-scroll" tabindex="0">{table}</div>')


def _draw_text(text: str | None, otherwise: str, key: str, file_name: str) -> None:
    if text:
        draw_plain(text, key=key, file_name=file_name)
    else:
        st.html(f'<div class="sq-empty">{escape(otherwise)}</div>')


def _message(error: Any) -> str:
    return str((error or {}).get("message") or "")


def _preview(output: Any) -> str:
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return text if len(text) <= PREVIEW_CHARACTERS else text[:PREVIEW_CHARACTERS] + "…"


def _since(start: datetime, event: RunEvent) -> float:
    return float((event.at - start).total_seconds() * 1000)


def _event_badge(event: RunEvent) -> str:
    status = event.data.get("status")
    if event.kind in ("step_status", "run_status") and status:
        return state_badge(str(status), run=event.kind == "run_status")
    return f'<span class="sq-facts">{escape(str(event.data.get("name") or event.kind.replace("_", " ")))}</span>'


def _event_facts(event: RunEvent) -> str:
    said = [event.step_id if event.kind == "trace_event" else None]
    names = {"attempt": "attempt", "error_code": "", "reason": ""}
    for name, value in event.data.items():
        if name not in ("status", "name"):
            said.append(f"{names.get(name, name.replace('_', ' '))} {_preview(value)}".strip())
    return joined(*said)
