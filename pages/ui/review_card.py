"""What a run asks of a person: the question, what is judged, and the answer. The same card everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from difflib import unified_diff
from functools import partial
from html import escape
from typing import Literal

import streamlit as st

from core.execution.domain import Decision, ReviewView
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue
from pages.ui.badges import state_badge, text_badge
from pages.ui.dialogs import diff_html
from pages.ui.outputs import draw_output, safe_markdown
from pages.ui.words import exact, time_html, until

_WHO = {"timeout": "nobody in time, as the step says", "link": "through the link of the mail"}
_SILENCE = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True)
class Answer:
    """What a person decided. `output` is read only where `edited`."""

    decision: Decision
    comment: str
    edited: bool = False
    output: JsonValue = None


Decide = Callable[[ReviewView, Callable[[], Answer]], None]
"""Hands an answer on. Making it may raise InvalidInput."""


def draw_review(review: ReviewView, decide: Decide, *, now: datetime, keys: bool = False) -> None:
    """An open question with its answer form. `keys`: A approves and X rejects, for the first one on a page."""
    if review.message.strip():
        st.markdown(safe_markdown(review.message))
    _draw_judged(review)
    if review.editable:
        st.toggle("Edit before approving", key=_key(review, "edits"))
        if st.session_state.get(_key(review, "edits")):
            _draw_edit(review)
    st.text_input(
        "Comment", key=_key(review, "comment"), placeholder="Comment, for whoever reads this later",
        label_visibility="collapsed", max_chars=5_000,
    )  # fmt: skip
    with st.container(key=f"decide-{review.id}", horizontal=True, vertical_alignment="center"):
        ways: tuple[tuple[Decision, str, str, Literal["primary", "secondary"], str], ...] = (
            ("approve", "Approve the edit" if _is_edited(review) else "Approve", "check", "primary", "A"),
            ("reject", "Reject", "close", "secondary", "X"),
        )
        for decision, label, icon, kind, shortcut in ways:
            st.button(
                label, key=f"{decision}-{review.id}", icon=f":material/{icon}:", type=kind,
                shortcut=shortcut if keys else None, on_click=decide,
                args=(review, partial(_answer, review, decision)),
            )  # fmt: skip
        st.html(
            f'<div class="sq-facts" title="{exact(review.due_at)}">Else {_SILENCE[review.on_timeout]} '
            f"{escape(until(review.due_at, now))}</div>",
            width="content",
        )


def draw_decided(review: ReviewView, *, now: datetime) -> None:
    """A question that was answered: who decided what, and why."""
    if review.message.strip():
        st.markdown(safe_markdown(review.message))
    st.html(decided_html(review, now=now))
    edited = review.decision == "approve" and review.decided_output != review.output
    if edited:
        st.html(_changes(_lines(review.output), _lines(review.decided_output)))


def decided_html(review: ReviewView, *, now: datetime) -> str:
    """The line that says who decided what."""
    if review.status == "closed":
        return '<div class="sq-facts">Closed without a decision: the run ended.</div>'
    who = _WHO.get(review.decided_by or "", "you")
    badge = state_badge("approved" if review.decision == "approve" else "rejected")
    comment = f'<div class="sq-quote">{escape(review.comment)}</div>' if review.comment else ""
    return (
        f'<div class="sq-row">{badge}<span class="sq-facts">by {who}, {time_html(review.decided_at, now)}</span></div>'
        f"{comment}"
    )


def review_head(review: ReviewView, href: str, *, now: datetime) -> str:
    """Which step of which pipeline asks."""
    state = "" if review.status != "open" else state_badge("waiting")
    return (
        f'<div class="sq-row sq-apart"><div class="sq-row sq-edge-violet"><a class="sq-id" href="{escape(href)}" '
        f'target="_self">{escape(review.pipeline_name)}</a>{text_badge(review.step_id)}'
        f'<span class="sq-facts">asked {time_html(review.created_at, now)}</span></div>{state}</div>'
    )


def _draw_judged(review: ReviewView) -> None:
    st.html('<div class="sq-label">To be judged</div>')
    with st.container(key=f"judged-{review.id}"):
        if review.output is None:
            st.html('<div class="sq-empty">No step before this one made anything.</div>')
        else:
            draw_output(review.output, markdown=True, key=f"review-{review.id}", file_name=review.step_id)


def _draw_edit(review: ReviewView) -> None:
    key = _key(review, "output")
    if key not in st.session_state:
        st.session_state[key] = _text(review.output)
    st.text_area("Your version", key=key, height="content")
    changes = _changes(_lines(review.output), st.session_state[key].splitlines())
    if changes:
        st.html(f'<div class="sq-label">What you changed</div>{changes}')
    else:
        st.html('<div class="sq-facts">Nothing changed yet. What you change is shown here before it is sent.</div>')


def _changes(before: list[str], after: list[str]) -> str:
    """The lines that differ, without the marks that only programs read; empty when none does."""
    lines = list(unified_diff(before, after, lineterm="", n=2))
    return diff_html([line for line in lines if not line.startswith("@@")]) if lines else ""


def _answer(review: ReviewView, decision: Decision) -> Answer:
    """What is in the card now. Raises InvalidInput for JSON that is none any more."""
    comment = str(st.session_state.get(_key(review, "comment")) or "")
    if decision == "reject" or not _is_edited(review):
        return Answer(decision, comment)
    text = str(st.session_state[_key(review, "output")])
    if isinstance(review.output, str):
        return Answer(decision, comment, True, text)
    try:
        return Answer(decision, comment, True, json.loads(text))
    except ValueError:
        raise InvalidInput(
            "NOT_JSON",
            "Your version is not JSON any more: correct it, or switch editing off. It is kept as you wrote it.",
        ) from None


def _is_edited(review: ReviewView) -> bool:
    if not (review.editable and st.session_state.get(_key(review, "edits"))):
        return False
    return bool(st.session_state.get(_key(review, "output"), _text(review.output)) != _text(review.output))


def _key(review: ReviewView, what: str) -> str:
    return f"review-{what}-{review.id}"


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _lines(value: JsonValue) -> list[str]:
    return _text(value).splitlines()
