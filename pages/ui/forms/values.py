"""The forms of steps that work on values: templates, extractions, patterns, code and queries."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from core.pipelines.definition import RegexRule, TransformStep
from core.pipelines.kinds.code import CodeStep
from core.pipelines.kinds.sql import SqlStep
from pages.ui.editor import Suggestion
from pages.ui.forms.parts import StepForm

LANGUAGES = {"python": "Python", "javascript": "JavaScript"}
_SEES = {
    "python": '<code>input["name"]</code>, <code>vars["name"]</code> and <code>steps["id"]["output"]</code>',
    "javascript": "<code>input.name</code>, <code>vars.name</code> and <code>steps.id.output</code>",
}


def draw_transform(step: TransformStep, form: StepForm) -> None:
    """A template, an extraction or a pattern."""
    if step.text_template is not None:
        form.editor("prompt" if step.template is None else "template", "Template", step.text_template)
    elif step.extract is not None:
        form.editor("extract", "JMESPath expression", step.extract, scope=(), placeholder="items[].name")
        form.editor("from", "From", step.source or "")
    elif step.regex is not None:
        _draw_regex(step, step.regex, form)
    form.more(formats=True)


def draw_code(step: CodeStep, form: StepForm) -> None:
    """The source, with its language beside it."""
    form.editor("source", LANGUAGES[step.language], step.source, language=step.language, placeholder="output = …")
    st.html(
        f'<div class="sq-facts">Sees {_SEES[step.language]}. The value of <code>output</code> is the result. '
        "No files, no network, nothing of this machine.</div>"
    )
    form.widget(
        "language", st.segmented_control, "Language", step.language, options=list(LANGUAGES), required=True,
        format_func=lambda name: LANGUAGES[name],
    )  # fmt: skip
    form.more()


def draw_sql(step: SqlStep, form: StepForm) -> None:
    """The query, and what it can read."""
    scope = tuple(Suggestion(name, "table") for name in form.tables)
    form.editor("query", "Query", step.query, language="sql", scope=scope, placeholder="SELECT * FROM …")
    if form.tables:
        names = "".join(f"<code>{escape(name)}</code>" for name in form.tables)
        st.html(f'<div class="sq-facts sq-chips">Tables: {names}</div>')
    else:
        st.html('<div class="sq-facts">No step before this one makes rows, and no input is a file.</div>')
    form.more()


def _draw_regex(step: TransformStep, regex: RegexRule, form: StepForm) -> None:
    """The pattern and the text it searches, which may stand inside `regex` or beside it."""
    nested = regex.from_ is not None
    rule: dict[str, Any] = {"pattern": regex.pattern, "group": regex.group} | ({"from": regex.from_} if nested else {})

    def save_pattern(text: str) -> None:
        form.set("regex", rule | {"pattern": text})

    def save_source(text: str) -> None:
        if nested:
            form.set("regex", rule | {"from": text})
        else:
            form.set("from", text)

    form.editor("pattern", "Regular expression", regex.pattern, save=save_pattern, scope=(), placeholder="[0-9]+")
    form.editor("from", "From", step.source or "", save=save_source)
