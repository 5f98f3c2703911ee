"""The open cell: its form, and everything its last run left."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.pipelines.definition import LlmStep
from pages.ui.cell import CellActions, CellFace, cell_key, draw_cell_head, draw_cell_issues, draw_result
from pages.ui.forms import StepForm, draw_form
from pages.ui.step_tabs import draw_prompt, draw_raw, draw_tabs


def draw_open_cell(face: CellFace, actions: CellActions, form: StepForm, look_back: Callable[[str], None]) -> None:
    """Draws the selected cell with its form. `look_back` draws the earlier runs of a step."""
    with st.container(key=cell_key(face)):
        draw_cell_head(face, actions)
        with st.container(key=f"edit-{face.step.id}"):
            draw_form(form)
            draw_cell_issues(face)
        if not face.is_repeated:
            _draw_tabs(face, look_back)
        if face.cell.state == "waiting":
            actions.attend(face.step.id)


def _draw_tabs(face: CellFace, look_back: Callable[[str], None]) -> None:
    run, key = face.cell.step_run, f"out-{face.step.id}"
    if run is None or face.cell.state in ("running", "waiting"):
        draw_result(face.cell, face.step, key=key)
        return
    tabs = [("Output", lambda: draw_result(face.cell, face.step, key=key))]
    if run.prompt_sent is not None or isinstance(face.step, LlmStep):
        tabs.append(("Prompt sent", lambda: draw_prompt(run, face.step.id, key=key)))
    if run.raw_output is not None or isinstance(face.step, LlmStep):
        tabs.append(("Raw", lambda: draw_raw(run, face.step.id, key=key)))
    if not face.is_inner:
        tabs.append(("History", lambda: look_back(face.step.id)))
    draw_tabs(tabs, key=key)
