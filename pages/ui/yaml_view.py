"""The YAML view: the whole definition in the editor, its errors beside their lines and in a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from core.pipelines.parsing import Issue
from pages.ui.badges import icon
from pages.ui.editor import Mark, code_editor
from pages.ui.prompts import with_code
from pages.ui.words import count


def draw_yaml(
    text: str,
    errors: Sequence[Issue],
    warnings: Sequence[Issue],
    *,
    key: str,
    on_text: Callable[[str], None],
    on_command: Callable[[str], None],
) -> None:
    """Draws the editor. The text is kept as it is typed, also while it has errors."""
    draw_issues(errors, warnings)
    marks = [Mark(issue.line, issue.column, issue.message, "error") for issue in errors]
    marks += [Mark(issue.line, issue.column, issue.message, "warning") for issue in warnings]
    code_editor(
        text,
        key=key,
        label="Definition as YAML",
        language="yaml",
        marks=tuple(marks),
        on_text=on_text,
        on_command=lambda name, _text: on_command(name),
    )
    st.html(
        '<div class="sq-facts">Kept as a draft while you type. '
        "Save a version to make it what the API and schedules run.</div>"
    )


def draw_issues(errors: Sequence[Issue], warnings: Sequence[Issue]) -> None:
    """Every error and warning with its line and column."""
    if not errors and not warnings:
        return
    said = [count(len(errors), "error")] if errors else []
    said += [count(len(warnings), "warning")] if warnings else []
    rows = "".join(_row(issue, "red", "error") for issue in errors)
    rows += "".join(_row(issue, "amber", "warning") for issue in warnings)
    kept = " Your text is kept; nothing runs until the errors are fixed." if errors else ""
    st.html(
        f'<div class="sq-issues{" sq-wrong" if errors else ""}" role="status"><p><b>{" and ".join(said)}.</b>{kept}</p>'
        f'<ul class="sq-list">{rows}</ul></div>'
    )


def _row(issue: Issue, colour: str, word: str) -> str:
    place = f"{issue.line}:{issue.column or 1}" if issue.line else ""
    return (
        f'<li><span class="sq-badge sq-{colour}">{icon(word)}{word}</span>'
        f'<code>{escape(place or issue.path)}</code><span class="sq-grow">{with_code(issue.message)}</span></li>'
    )
