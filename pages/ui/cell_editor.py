"""The open cell: its editor, its settings, and everything its last run left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from core.pipelines.definition import LlmStep, TransformStep
from pages.ui.cell import CellActions, CellFace, draw_cell_head, draw_result
from pages.ui.editor import Suggestion, code_editor
from pages.ui.step_tabs import draw_step_tabs

_FORMATS = {None: "Default", "text": "Text", "markdown": "Markdown", "json": "JSON"}


@dataclass(frozen=True)
class EditActions:
    """What the open cell changes. `fields` takes step id and new values, None removing a field.

    `typed` holds what was typed since the definition was last valid, by step and field.
    """

    fields: Callable[[str, dict[str, Any]], None]
    rename: Callable[[str, str], None]
    command: Callable[[str, str], None]
    typed: Mapping[tuple[str, str], Any]


def draw_open_cell(
    face: CellFace,
    actions: CellActions,
    edits: EditActions,
    *,
    models: tuple[str, ...],
    scope: tuple[Suggestion, ...],
    focus: bool = False,
) -> None:
    """Draws the selected cell with its editor."""
    with st.container(key=f"cell-{face.step.id}"):
        draw_cell_head(face, actions)
        with st.container(key=f"edit-{face.step.id}"):
            if isinstance(face.step, LlmStep):
                _draw_llm(face.step, edits, models=models, scope=scope, focus=focus)
            else:
                _draw_transform(face.step, edits, scope=scope, focus=focus)
        _draw_tabs(face)


def _draw_llm(
    step: LlmStep, edits: EditActions, *, models: tuple[str, ...], scope: tuple[Suggestion, ...], focus: bool
) -> None:
    _editor(step.id, "prompt", "Prompt", step.prompt, edits, scope=scope, focus=focus)
    model, form, warmth, length = st.columns([3, 2, 2, 2], vertical_alignment="bottom")
    with model:
        options = list(dict.fromkeys([*(filter(None, [step.model])), *models]))
        index = options.index(step.model) if step.model else None
        _widget(
            edits,
            step.id,
            "model",
            st.selectbox,
            "Model",
            options,
            index=index,
            placeholder="Default model",
            accept_new_options=True,
        )
    with form:
        _draw_format(step, edits)
    with warmth:
        _widget(
            edits,
            step.id,
            "temperature",
            st.number_input,
            "Temperature",
            value=step.temperature,
            min_value=0.0,
            max_value=2.0,
            step=0.1,
            placeholder="Default",
        )
    with length:
        _widget(
            edits,
            step.id,
            "max_tokens",
            st.number_input,
            "Max tokens",
            value=step.max_tokens,
            min_value=1,
            max_value=1_000_000,
            step=1,
            placeholder="Model's limit",
        )
    with st.expander("More settings", icon=":material/tune:"):
        _widget(
            edits,
            step.id,
            "system_prompt",
            st.text_area,
            "System prompt",
            value=step.system_prompt or "",
            height="content",
        )
        _draw_common(step, edits)


def _draw_transform(step: TransformStep, edits: EditActions, *, scope: tuple[Suggestion, ...], focus: bool) -> None:
    if step.text_template is not None:
        field = "prompt" if step.template is None else "template"
        _editor(step.id, field, "Template", step.text_template, edits, scope=scope, focus=focus)
    elif step.extract is not None:
        _editor(step.id, "extract", "JMESPath expression", step.extract, edits, scope=(), focus=focus)
        _editor(step.id, "from", "From", step.source or "", edits, scope=scope, focus=False)
    elif step.regex is not None:
        source, nested = step.regex.from_ or step.from_ or "", step.regex.from_ is not None
        rule = {"pattern": step.regex.pattern, "group": step.regex.group} | ({"from": source} if nested else {})
        changed = lambda name: lambda text: edits.fields(step.id, {"regex": rule | {name: text}})  # noqa: E731
        _bare_editor(step.id, "pattern", "Regular expression", step.regex.pattern, edits, changed("pattern"), (), focus)
        save = changed("from") if nested else lambda text: edits.fields(step.id, {"from": text})
        _bare_editor(step.id, "from", "From", source, edits, save, scope, False)
    with st.expander("More settings", icon=":material/tune:"):
        _draw_format(step, edits)
        _draw_common(step, edits)


def _draw_common(step: LlmStep | TransformStep, edits: EditActions) -> None:
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
        _widget(edits, step.id, "name", st.text_input, "Name", value=step.name or "")
    with right:
        _widget(
            edits,
            step.id,
            "timeout_seconds",
            st.number_input,
            "Time limit (s)",
            value=step.timeout_seconds,
            min_value=1,
            max_value=300,
            step=1,
        )


def _draw_format(step: LlmStep | TransformStep, edits: EditActions) -> None:
    by_schema = isinstance(step, LlmStep) and step.output_schema is not None
    options = list(_FORMATS)
    _widget(
        edits,
        step.id,
        "output_format",
        st.selectbox,
        "Output",
        options,
        index=options.index(step.output_format),
        format_func=lambda name: "JSON, by its schema" if by_schema and name is None else _FORMATS[name],
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


def _widget(edits: EditActions, step_id: str, field: str, draw: Any, label: str, *args: Any, **options: Any) -> None:
    """One setting: drawn by `draw`, saved when it changes; an emptied one is removed from the definition."""
    key = f"set-{step_id}-{field}"

    def save() -> None:
        value = st.session_state[key]
        edits.fields(step_id, {field: None if value == "" else value})

    draw(label, *args, key=key, on_change=save, **options)


def _draw_tabs(face: CellFace) -> None:
    run, key = face.cell.step_run, f"out-{face.step.id}"
    if run is None or face.cell.state == "running":
        draw_result(face.cell, face.step, key=key)
    else:
        draw_step_tabs(run, lambda: draw_result(face.cell, face.step, key=key), key=key, last="History")
