"""A download that never becomes a URL.

Streamlit serves what its own download button offers under `/media/<hash>` to anyone who has the address.
Here the content travels over the person's own websocket, and only when it is asked for.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import streamlit as st

from pages.ui.theme import asset

_BUTTON = '<button type="button"><i aria-hidden="true"></i><span></span></button>'
_component = st.components.v2.component(
    "stepiq.download", html=_BUTTON, css=asset("download.css"), js=asset("download.js")
)


def download_button(
    label: str, content: str | Callable[[], str | bytes], *, file_name: str, mime: str, key: str
) -> None:
    """A button that hands `content` to the browser as a file when it is pressed."""
    turns = f"download-turn-{key}"
    wanted = f"download-wanted-{key}"

    def ask() -> None:
        st.session_state[wanted] = True
        st.session_state[turns] = st.session_state.get(turns, 0) + 1

    sends = st.session_state.pop(wanted, False)
    made = (content() if callable(content) else content) if sends else None
    text = b64encode(made).decode() if isinstance(made, bytes) else made
    _component(
        key=f"download-{key}",
        data={
            "label": label,
            "name": file_name,
            "mime": mime,
            "content": text,
            "encoded": isinstance(made, bytes),
            "turn": st.session_state.get(turns, 0),
        },
        width="content",
        on_wanted_change=ask,
    )
