"""The form of a kind of step that has none of its own, by the types of its fields."""

from __future__ import annotations

import streamlit as st

from core.pipelines.definition import BaseStep
from pages.ui.fields import fields_of, parts_html
from pages.ui.forms.parts import StepForm


def draw_fields(step: BaseStep, form: StepForm) -> None:
    """One widget a field."""
    for field in fields_of(step):
        if field.form == "text":
            form.editor(field.name, field.label, field.value or "")
        elif field.form == "choice":
            options = [*([""] if field.optional else []), *field.choices]
            form.widget(
                field.name, st.selectbox, field.label, field.value or "", options=options,
                format_func=lambda choice: choice or "Default",
            )  # fmt: skip
        elif field.form == "switch":
            form.widget(field.name, st.toggle, field.label, bool(field.value))
        elif field.form == "parts":
            st.html(parts_html(field))
        else:
            kind = int if field.form == "integer" else float
            bounds = {"min_value": field.least, "max_value": field.most}
            limits = {name: kind(bound) for name, bound in bounds.items() if bound is not None}
            number = None if field.value is None else kind(field.value)
            form.widget(field.name, st.number_input, field.label, number, placeholder="Default", **limits)
    form.more()
