"""A kind of step that the pages have no form and no word for is still drawn, and its fields can be changed."""

from typing import Literal

from pydantic import Field
from streamlit.testing.v1 import AppTest

from core.pipelines.definition import BaseStep, LlmStep
from pages.ui.badges import look_of
from pages.ui.fields import fields_of, parts_html
from pages.ui.kinds import kind_of, own_values, reads_as_markdown, source_text


class SendStep(BaseStep):
    """A kind of its own."""

    type: Literal["send_letter"]
    address: str = Field(min_length=1)
    speed: Literal["slow", "fast"] = "slow"
    copies: int = Field(default=1, ge=1, le=9)
    weight: float | None = None
    registered: bool = False
    pages: dict[str, str] = Field(default_factory=dict)
    if_: str | None = Field(default=None, alias="if")


STEP = SendStep(id="post", type="send_letter", address="{{input.to}}", copies=2, pages={"1": "<b>first</b>"})


def test_fields_are_told_apart_by_their_types() -> None:
    forms = {field.name: (field.form, field.optional) for field in fields_of(STEP)}
    assert forms == {
        "address": ("text", False),
        "speed": ("choice", True),
        "copies": ("integer", True),
        "weight": ("number", True),
        "registered": ("switch", True),
        "pages": ("parts", True),
        "if": ("text", True),
    }
    copies = next(field for field in fields_of(STEP) if field.name == "copies")
    assert (copies.value, copies.least, copies.most) == (2, 1, 9)
    assert next(field for field in fields_of(STEP) if field.name == "speed").choices == ("slow", "fast")


def test_parts_are_shown_as_written_and_escaped() -> None:
    shown = parts_html(next(field for field in fields_of(STEP) if field.name == "pages"))
    assert "&lt;b&gt;first&lt;/b&gt;" in shown and "YAML view" in shown
    empty = STEP.model_copy(update={"pages": {}})
    assert "not set" in parts_html(next(field for field in fields_of(empty) if field.name == "pages"))


def test_an_unknown_kind_is_shown_by_its_own_name_and_fields() -> None:
    assert kind_of(STEP) == "send letter"
    assert own_values(STEP) == {"address": "{{input.to}}", "copies": 2, "pages": {"1": "<b>first</b>"}}
    assert "address: " in source_text(STEP) and "copies: 2" in source_text(STEP)
    assert source_text(SendStep(id="post", type="send_letter", address="only this")) == "only this"
    assert not reads_as_markdown(STEP) and reads_as_markdown(LlmStep(id="a", prompt="x"))
    assert look_of("on_its_way").word == "on_its_way"


def test_its_open_cell_changes_its_fields() -> None:
    def script() -> None:
        import streamlit as st

        from core.execution.domain import CellView
        from pages.ui.cell import CellActions, CellFace
        from pages.ui.cell_editor import draw_open_cell
        from pages.ui.forms import StepForm
        from pages.ui.forms.parts import EditActions
        from tests.unit.pages.test_kinds import STEP

        def keep(step_id: str, fields: dict[str, object]) -> None:
            st.session_state["kept"] = (step_id, fields)

        cell = CellView("post", "never", None, None, (0, 0, 0))
        face = CellFace(step=STEP, cell=cell, model=None, region=None, href="#", running=False)
        edits = EditActions(fields=keep, rename=lambda *_: None, command=lambda *_: None, typed={})
        actions = CellActions(run=lambda _: None, choose=lambda *_: None)
        draw_open_cell(face, actions, StepForm(STEP, edits), look_back=lambda _: None)

    app = AppTest.from_function(script, default_timeout=20).run()
    assert not app.exception
    app.number_input(key="set-post-copies").set_value(3).run()
    assert app.session_state["kept"] == ("post", {"copies": 3})
    app.selectbox(key="set-post-speed").select("fast").run()
    assert app.session_state["kept"] == ("post", {"speed": "fast"})
    assert app.toggle(key="set-post-registered").value is False
