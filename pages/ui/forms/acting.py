"""The forms of steps that act outside: a web request, a question to a person."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.pipelines.kinds.human_review import HumanReviewStep
from core.pipelines.kinds.webhook import WebhookStep
from pages.ui.forms.parts import StepForm, json_or_text, pairs
from pages.ui.memory import keep, recall

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


def draw_webhook(step: WebhookStep, form: StepForm) -> None:
    """Method and address, then headers and body, then what counts as success."""
    with st.container(key=f"address-{step.id}"):
        method, address = st.columns([1.2, 5])
    with method:
        st.html('<div class="sq-label">Method</div>')
        form.widget("method", st.selectbox, "Method", step.method, options=METHODS, label_visibility="collapsed")
    with address:
        form.editor("url", "Address", step.url, placeholder="https://…")
    pairs(form, "headers", step.headers, lambda new: form.set("headers", new or None), labels=("Header", "Value"))
    _draw_body(step, form)
    written = form.shown("expect_status", step.expect_status)
    expected = ", ".join(
        map(str, written if isinstance(written, list | tuple) else [] if written is None else [written])
    )
    left, _ = st.columns([2, 4])
    with left:
        form.bound(
            "expect_status", st.text_input, "Succeeds with status", expected,
            lambda value: form.set("expect_status", _statuses(value or "")), placeholder="Any below 400",
            help="One status or several with commas, such as 200, 201.",
        )  # fmt: skip
    form.more()


def draw_review(step: HumanReviewStep, form: StepForm) -> None:
    """What the reviewer is told, how long there is, and what silence means."""
    form.editor("message", "What the reviewer is told", step.message)
    st.html('<div class="sq-facts">Below it the reviewer sees what the step before made.</div>')
    hours, silence, edit = st.columns([2, 3, 3], vertical_alignment="bottom")
    with hours:
        form.widget(
            "timeout_hours", st.number_input, "Hours to decide", float(step.timeout_hours), min_value=0.1,
            max_value=2160.0, step=1.0, format="%g",
        )  # fmt: skip
    with silence:
        words = {"reject": "Reject", "approve": "Approve"}
        form.widget(
            "on_timeout", st.selectbox, "When nobody decides", step.on_timeout, options=list(words),
            format_func=lambda name: words[name],
        )  # fmt: skip
    with edit:
        form.widget("editable", st.toggle, "May be edited before approving", step.editable)
    form.more(limit=False)


def _draw_body(step: WebhookStep, form: StepForm) -> None:
    """The body as text. As long as it means what is stored, it stays as it was typed."""
    note = f"body-{step.id}"
    stored = step.body if isinstance(step.body, str) else json.dumps(step.body, ensure_ascii=False, indent=2)
    stored = "" if step.body is None else stored
    typed = recall(note)
    shown = typed if isinstance(typed, str) and json_or_text(typed) == step.body else stored

    def save(text: str) -> None:
        keep(note, text)
        form.set("body", json_or_text(text))

    form.editor("body", "Body", shown, save=save, placeholder='{"text": "{{steps.….output}}"} or any text')


def _statuses(text: str) -> Any:
    found = [part.strip() for part in text.split(",") if part.strip()]
    numbers: list[Any] = [int(part) if part.isdigit() else part for part in found]
    return None if not numbers else numbers[0] if len(numbers) == 1 else numbers
