"""Running an earlier run again: from where, with what, and what of it is reused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

import streamlit as st

from core.execution.domain import RunView
from core.execution.forks import ForkPreview, preview_fork
from core.pipelines.definition import Definition
from core.shared.money import format_credits
from core.shared.types import JsonValue
from pages.ui.badges import text_badge
from pages.ui.file_input import FileActions
from pages.ui.inputs import draw_input, read_input, remember_input
from pages.ui.memory import keep, recall
from pages.ui.words import count

AS_IT_RAN, AS_IT_IS = "ran", "now"
_WORDS = {AS_IT_RAN: "As it ran", AS_IT_IS: "As the notebook has it now"}


@dataclass(frozen=True)
class ForkRequest:
    """What is asked for. `definition` is `ran` or `now`."""

    from_step: str | None
    definition: str
    input_data: dict[str, JsonValue]


@st.dialog("Run again", width="large", icon=":material/fork_right:")
def fork_dialog(
    run: RunView,
    from_step: str | None,
    definitions: Mapping[str, Definition],
    files: FileActions,
    start: Callable[[ForkRequest], None],
) -> None:
    """Chooses where to begin and with which inputs. `definitions`: by `ran`, and `now` where there is another."""
    written = AS_IT_RAN
    if len(definitions) > 1:
        written = st.segmented_control(
            "Steps", list(definitions), default=AS_IT_RAN, required=True, key="fork-definition",
            format_func=lambda name: _WORDS[name],
        ) or AS_IT_RAN  # fmt: skip
    definition = definitions[written]
    options = ["", *definition.step_ids]
    asked = st.selectbox(
        "Run from", options, index=options.index(from_step) if from_step in options else 0, key="fork-from",
        format_func=lambda step_id: step_id or "Only what changed",
        help="What stands before it and is the same as then is reused.",
    )  # fmt: skip
    fields = dict(definition.input.fields)
    remember_input(_form(run.id), run.input_data)
    if fields:
        draw_input(_form(run.id), fields, files)
    values = read_input(_form(run.id), fields)
    pinned = pins_of(run.id)
    preview = preview_fork(run, definition, asked or None, input_data=values, pinned=pinned)
    st.html(preview_html(preview))
    request = ForkRequest(asked or None, written, values)
    if st.button(
        "Run again", type="primary", icon=":material/play_arrow:", key="fork-go", on_click=start, args=(request,)
    ):
        st.rerun()


def preview_html(preview: ForkPreview) -> str:
    """What will be reused, with what it had cost, and what will run."""
    outputs = count(len(preview.reused), "output")
    parts = [
        ("Reused", preview.reused, f"{outputs}, {format_credits(preview.saved_micros)} not spent again"),
        ("Pinned", preview.pinned, "stands in as you wrote it"),
        ("Runs", preview.executed, count(len(preview.executed), "step")),
    ]  # fmt: skip
    rows = "".join(
        f'<div class="sq-row"><b class="sq-what">{name}</b>{"".join(text_badge(step) for step in steps)}'
        f'<span class="sq-facts">{escape(note)}</span></div>'
        for name, steps, note in parts
        if steps
    )
    note = "Whatever acts outside runs again, and templates are filled in again: both are never taken from a store."
    return f'<div class="sq-preview" role="status">{rows}<div class="sq-facts">{note}</div></div>'


def pins_of(run_id: str) -> dict[str, JsonValue]:
    """The outputs a person fixed for the next run of this one."""
    found: dict[str, JsonValue] = recall(f"pins-{run_id}") or {}
    return found


def pin(run_id: str, step_id: str, output: JsonValue) -> None:
    """Lets an output stand for its step."""
    keep(f"pins-{run_id}", {**pins_of(run_id), step_id: output})


def unpin(run_id: str, step_id: str) -> None:
    """Lets the step speak for itself again."""
    keep(f"pins-{run_id}", {name: output for name, output in pins_of(run_id).items() if name != step_id})


def _form(run_id: str) -> str:
    return f"fork-{run_id}"
