"""A download that never becomes a URL.

Streamlit serves what its own download button offers under `/media/<hash>` to anyone who has the address.
Here the content travels over the person's own websocket, and only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_SCRIPT = """
const served = new WeakMap();
export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector("button");
  button.querySelector("span").textContent = data.label;
  button.onclick = () => setTriggerValue("wanted", true);
  if (data.content === null || served.get(parentElement) === data.turn) return;
  served.set(parentElement, data.turn);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data.content], { type: data.mime }));
  link.download = data.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
"""
_BUTTON = '<button type="button"><i aria-hidden="true"></i><span></span></button>'
_SHEET = """
button { font: inherit; font-size: 0.9rem; color: var(--st-text-color); background: transparent; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); padding: 0.28rem 0.7rem; }
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
i { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.5em; vertical-align: -0.08em;
  background: currentColor; clip-path: polygon(42% 0, 58% 0, 58% 48%, 80% 48%, 50% 78%, 20% 48%, 42% 48%, 42% 0, 42% 0, 0 86%, 100% 86%, 100% 100%, 0 100%, 0 86%, 42% 86%); }
"""
_component = st.components.v2.component("stepiq.download", html=_BUTTON, css=_SHEET, js=_SCRIPT)


def download_button(
    label: str, content: str | Callable[[], str], *, file_name: str, mime: str, key: str
) -> None:
    """A button that hands `content` to the browser as a file when it is pressed."""
    turns = f"download-turn-{key}"
    wanted = f"download-wanted-{key}"

    def ask() -> None:
        st.session_state[wanted] = True
        st.session_state[turns] = st.session_state.get(turns, 0) + 1

    sends = st.session_state.pop(wanted, False)
    text = (content() if callable(content) else content) if sends else None
    _component(
        key=f"download-{key}",
        data={"label": label, "name": file_name, "mime": mime, "content": text, "turn": st.session_state.get(turns, 0)},
        width="content",
        on_wanted_change=ask,
    )
