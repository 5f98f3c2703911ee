"""The open cell: its editor, its settings, and everything its last run left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from core.pipelines.definition import BaseStep, LlmStep, RegexRule, TransformStep
from pages.ui.cell import CellActions, CellFace, draw_cell_head, draw_cell_issues, draw_result
from pages.ui.editor import Suggestion, code_editor
from pages.ui.fields import fields_of, parts_html
from pages.ui.step_tabs import draw_prompt, draw_raw, draw_tabs

_NOTHING = object()
_FORMATS = {"": "Default", "text": "Text", "markdown": "Markdown", "json": "JSON"}


@dataclass(frozen=True)
class EditActions:
    """What the open cell changes. `fields` takes step id and new values, None removing a field.

    `typed` holds what was typed since the definition was last valid, by step and field.
    """

    fields: Callable[[str, dict[str, Any]], None]
    rename: Callable[[str, str], None]
    command: Callable[[str, str], None]
    typed: Mapping[tuple[str, str], Any]


@dataclass(frozen=True)
class Settings:
    """The widgets of a step's fields: each shows what is stored, and saves when it changes."""

    step_id: str
    edits: EditActions

    def __call__(self, field: str, draw: Any, label: str, stored: Any, **options: Any) -> None:
        """Draws one. An emptied one is removed from the definition."""
        key = f"set-{self.step_id}-{field}"
        shown = self.edits.typed.get((self.step_id, field), stored)
        # An undo, a restored version or another window may have changed it since the widget was drawn.
        if st.session_state.get(key, _NOTHING) != shown:
            st.session_state[key] = shown

        def save() -> None:
            value = st.session_state[key]
            self.edits.fields(self.step_id, {field: None if value == "" else value})

        draw(label, key=key, on_change=save, **options)


def draw_open_cell(
    face: CellFace,
    actions: CellActions,
    edits: EditActions,
    *,
    models: tuple[str, ...],
    scope: tuple[Suggestion, ...],
    look_back: Callable[[str], None],
    focus: bool = False,
) -> None:
    """Draws the selected cell with its editor. `look_back` draws the earlier runs of a step."""
    with st.container(key=f"cell-{face.step.id}"):
        draw_cell_head(face, actions)
        with st.container(key=f"edit-{face.step.id}"):
            if isinstance(face.step, LlmStep):
                _draw_llm(face.step, edits, models=models, scope=scope, focus=focus)
            elif isinstance(face.step, TransformStep):
                _draw_transform(face.step, edits, scope=scope, focus=focus)
            else:
                _draw_fields(face.step, edits, scope=scope, focus=focus)
            draw_cell_issues(face)
        _draw_tabs(face, look_back)


def _draw_llm(
    step: LlmStep, edits: EditActions, *, models: tuple[str, ...], scope: tuple[Suggestion, ...], focus: bool
) -> None:
    setting = Settings(step.id, edits)
    _editor(step.id, "prompt", "Prompt", step.prompt, edits, scope=scope, focus=focus)
    model, form, warmth, length = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    with model:
        options = list(dict.fromkeys([*(filter(None, [step.model])), *models]))
        setting("model", st.selectbox, "Model", step.model, options=options, accept_new_options=True)
    with form:
        _draw_format(step, setting)
    with warmth:
        bounds = {"min_value": 0.0, "max_value": 2.0, "step": 0.1}
        warm = None if step.temperature is None else float(step.temperature)
        setting("temperature", st.number_input, "Temperature", warm, placeholder="Default", value=None, **bounds)
    with length:
        limits = {"min_value": 1, "max_value": 1_000_000, "step": 1}
        setting(
            "max_tokens", st.number_input, "Max tokens", step.max_tokens, placeholder="Model's", value=None, **limits
        )
    with st.expander("More settings", icon=":material/tune:"):
        setting("system_prompt", st.text_area, "System prompt", step.system_prompt or "", height="content")
        _draw_common(step, edits, setting)


def _draw_transform(step: TransformStep, edits: EditActions, *, scope: tuple[Suggestion, ...], focus: bool) -> None:
    if step.text_template is not None:
        field = "prompt" if step.template is None else "template"
        _editor(step.id, field, "Template", step.text_template, edits, scope=scope, focus=focus)
    elif step.extract is not None:
        _editor(step.id, "extract", "JMESPath expression", step.extract, edits, scope=(), focus=focus)
        _editor(step.id, "from", "From", step.source or "", edits, scope=scope, focus=False)
    elif step.regex is not None:
        _draw_regex(step, step.regex, edits, scope, focus)
    setting = Settings(step.id, edits)
    with st.expander("More settings", icon=":material/tune:"):
        _draw_format(step, setting)
        _draw_common(step, edits, setting)


def _draw_fields(step: BaseStep, edits: EditActions, *, scope: tuple[Suggestion, ...], focus: bool) -> None:
    """Any other kind of step, by the types of its fields."""
    setting = Settings(step.id, edits)
    for field in fields_of(step):
        if field.form == "text":
            _editor(step.id, field.name, field.label, field.value or "", edits, scope=scope, focus=focus)
            focus = False
        elif field.form == "choice":
            options = [*([""] if field.optional else []), *field.choices]
            setting(field.name, st.selectbox, field.label, field.value or "", options=options, format_func=_or_default)
        elif field.form == "switch":
            setting(field.name, st.toggle, field.label, bool(field.value))
        elif field.form == "parts":
            st.html(parts_html(field))
        else:
            kind = int if field.form == "integer" else float
            bounds = {"min_value": field.least, "max_value": field.most}
            limits = {name: kind(bound) for name, bound in bounds.items() if bound is not None}
            number = None if field.value is None else kind(field.value)
            setting(field.name, st.number_input, field.label, number, value=None, placeholder="Default", **limits)
    with st.expander("More settings", icon=":material/tune:"):
        _draw_common(step, edits, setting)


def _or_default(choice: str) -> str:
    return choice or "Default"


def _draw_regex(
    step: TransformStep, regex: RegexRule, edits: EditActions, scope: tuple[Suggestion, ...], focus: bool
) -> None:
    """The pattern and the text it searches, which may stand inside `regex` or beside it."""
    nested = regex.from_ is not None
    rule: dict[str, Any] = {"pattern": regex.pattern, "group": regex.group} | ({"from": regex.from_} if nested else {})

    def save_pattern(text: str) -> None:
        edits.fields(step.id, {"regex": rule | {"pattern": text}})

    def save_source(text: str) -> None:
        edits.fields(step.id, {"regex": rule | {"from": text}} if nested else {"from": text})

    _bare_editor(step.id, "pattern", "Regular expression", regex.pattern, edits, save_pattern, (), focus)
    _bare_editor(step.id, "from", "From", step.source or "", edits, save_source, scope, False)


def _draw_common(step: BaseStep, edits: EditActions, setting: Settings) -> None:
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        key = f"set-{step.id}-id"
        st.text_input(
            "Id",
            value=step.id,
            key=key,
            help="Small letters, digits and _. References follow.",
            on_change=lambda: edits.rename(step.id, str(st.session_state[key])),
        )
    with middle:
        setting("name", st.text_input, "Name", step.name or "")
    with right:
        bounds = {"min_value": 1, "max_value": 300, "step": 1}
        setting("timeout_seconds", st.number_input, "Time limit (s)", step.timeout_seconds, value=None, **bounds)


def _draw_format(step: BaseStep, setting: Settings) -> None:
    by_schema = isinstance(step, LlmStep) and step.output_schema is not None
    setting(
        "output_format",
        st.selectbox,
        "Output",
        step.output_format or "",
        options=list(_FORMATS),
        format_func=lambda name: "JSON, by its schema" if by_schema and not name else _FORMATS[name],
        disabled=by_schema,
    )


def _editor(
    step_id: str, field: str, label: str, value: str, edits: EditActions, *, scope: tuple[Suggestion, ...], focus: bool
) -> None:
    _bare_editor(step_id, field, label, value, edits, lambda text: edits.fields(step_id, {field: text}), scope, focus)


def _bare_editor(
    step_id: str,
    field: str,
    label: str,
    value: str,
    edits: EditActions,
    save: Callable[[str], None],
    scope: tuple[Suggestion, ...],
    focus: bool,
) -> None:
    st.html(f'<div class="sq-label">{escape(label)}</div>')
    typed = edits.typed.get((step_id, field))
    code_editor(
        typed if isinstance(typed, str) else value,
        key=f"editor-{step_id}-{field}",
        label=f"{label} of {step_id}",
        placeholder="Write here. Type {{ to refer to the input or to an earlier step.",
        scope=scope,
        focus=focus,
        on_text=save,
        on_command=lambda name, _text: edits.command(step_id, name),
    )


def _draw_tabs(face: CellFace, look_back: Callable[[str], None]) -> None:
    run, key = face.cell.step_run, f"out-{face.step.id}"
    if run is None or face.cell.state == "running":
        draw_result(face.cell, face.step, key=key)
        return
    draw_tabs(
        [
            ("Output", lambda: draw_result(face.cell, face.step, key=key)),
            ("Prompt sent", lambda: draw_prompt(run, face.step.id, key=key)),
            ("Raw", lambda: draw_raw(run, face.step.id, key=key)),
            ("History", lambda: look_back(face.step.id)),
        ],
        key=key,
    )
