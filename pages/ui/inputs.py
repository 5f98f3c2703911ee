"""The input of a pipeline as a form: one widget a field, by its type.

Owns the session keys `input-*` (widgets) and `inputs-*` (what was typed, kept while another view is open).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from core.pipelines.definition import InputField
from core.shared.types import JsonValue
from pages.ui.file_input import FileActions, draw_file
from pages.ui.words import count

_EMPTY = (None, "")
NARROW = 280
"""Pixels of a choice or number."""


def remember_input(pipeline_id: str, values: Mapping[str, JsonValue]) -> None:
    """Fills the form with values (of the last run, say), unless something was typed already."""
    st.session_state.setdefault(_kept(pipeline_id), dict(values))


def has_input(pipeline_id: str) -> bool:
    """Whether this browser session already holds values for the form."""
    return _kept(pipeline_id) in st.session_state


def read_input(pipeline_id: str, fields: Mapping[str, InputField]) -> dict[str, JsonValue]:
    """What is in the form now, defaults included; optional fields left empty are not sent."""
    values = {name: _value(pipeline_id, name, field) for name, field in fields.items()}
    return {name: value for name, value in values.items() if value not in _EMPTY}


def draw_input(pipeline_id: str, fields: Mapping[str, InputField], files: FileActions) -> None:
    """Draws the input cell. Texts and files take the whole width; choices, numbers and switches share a line."""
    with st.container(key="cell-input"):
        noun = count(len(fields), "field") if fields else "no fields"
        st.html(f'<div class="sq-row"><span class="sq-id">input</span><span class="sq-facts">{noun}</span></div>')
        if not fields:
            st.html('<div class="sq-empty">This pipeline needs no input. Add fields under input.schema in YAML.</div>')
        texts = {name: field for name, field in fields.items() if field.type == "string" and not field.enum}
        for name, field in texts.items():
            _draw_field(pipeline_id, name, field, files)
        with st.container(horizontal=True, vertical_alignment="top"):
            for name, field in fields.items():
                if name not in texts:
                    _draw_field(pipeline_id, name, field, files)
    st.session_state[_kept(pipeline_id)] = {name: _value(pipeline_id, name, field) for name, field in fields.items()}


def _draw_field(pipeline_id: str, name: str, field: InputField, files: FileActions) -> None:
    narrow = field.enum is not None or field.type in ("integer", "number", "boolean")
    with st.container(key=f"field-{name}", gap=None, width=NARROW if narrow else "stretch"):
        # The label is drawn here to have room for the description; the widget keeps it for those who hear the page.
        st.html(_label(name, field))
        if field.file:
            value = _value(pipeline_id, name, field)
            draw_file(pipeline_id, name, value, files, lambda file_id: _keep(pipeline_id, name, file_id))
            return
        _draw_widget(pipeline_id, name, field)


def _draw_widget(pipeline_id: str, name: str, field: InputField) -> None:
    key, value = _widget(pipeline_id, name), _value(pipeline_id, name, field)
    if field.enum:
        options = list(field.enum)
        index = options.index(value) if value in options else None
        st.selectbox(name, options, index=index, key=key, placeholder="Choose one", label_visibility="collapsed")
    elif field.type == "boolean":
        st.toggle(name, value=bool(value), key=key, label_visibility="collapsed")
    elif field.type == "integer":
        whole = value if isinstance(value, int) else None
        st.number_input(name, value=whole, step=1, key=key, label_visibility="collapsed")
    elif field.type == "number":
        number = float(value) if isinstance(value, int | float) else None
        st.number_input(name, value=number, step=None, format="%g", key=key, label_visibility="collapsed")
    else:
        text = "" if value is None else str(value)
        st.text_area(name, value=text, height="content", key=key, label_visibility="collapsed")


def _label(name: str, field: InputField) -> str:
    notes = [field.description] if field.description else []
    if field.required and field.default is None:
        notes.append("required")
    note = f'<span class="sq-facts">{escape(" · ".join(notes))}</span>' if notes else ""
    return f'<div class="sq-field"><b>{escape(name)}</b> {note}</div>'


def _value(pipeline_id: str, name: str, field: InputField) -> Any:
    key = _widget(pipeline_id, name)
    if key in st.session_state:
        return st.session_state[key]
    kept = st.session_state.get(_kept(pipeline_id), {})
    value = kept.get(name, field.default)
    return field.default if value is None else value


def _keep(pipeline_id: str, name: str, value: Any) -> None:
    """What no widget of its own holds: the id of a file."""
    st.session_state[_widget(pipeline_id, name)] = value


def _widget(pipeline_id: str, name: str) -> str:
    return f"input-{pipeline_id}-{name}"


def _kept(pipeline_id: str) -> str:
    return f"inputs-{pipeline_id}"
