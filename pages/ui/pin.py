"""An output that a person fixes: edited in a dialog, and then it stands in for its step."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from core.shared.errors import InvalidInput
from core.shared.types import JsonValue
from pages.ui.notices import attempt


@st.dialog("Edit the output", width="large", icon=":material/keep:")
def pin_dialog(step_id: str, output: JsonValue, *, label: str, note: str, use: Callable[[JsonValue], None]) -> None:
    """The output as text to edit; `label` is the button that hands it to `use`."""
    key = f"pin-{step_id}"
    if key not in st.session_state:
        st.session_state[key] = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, indent=2)
    st.text_area(f"Output of {step_id}", key=key, height=280)
    st.html(f'<div class="sq-facts">{note}</div>')
    with st.container(horizontal=True):
        if st.button(label, type="primary", key="pin-use", on_click=_use, args=(key, output, use)):
            st.rerun()
        if st.button("Not now", key="pin-no"):
            del st.session_state[key]
            st.rerun()


def _use(key: str, before: JsonValue, use: Callable[[JsonValue], None]) -> None:
    text = str(st.session_state[key])

    def hand_on() -> None:
        use(_read(text, before))

    if attempt(hand_on):
        del st.session_state[key]


def _read(text: str, before: JsonValue) -> JsonValue:
    """A text where the output was one, else JSON."""
    if isinstance(before, str):
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        raise InvalidInput("NOT_JSON", "This output is JSON, and what you wrote is not: correct it.") from None
    return value
