"""The style sheet of the app: what Streamlit's theme cannot say, in the tokens of `.streamlit/config.toml`.

`light-dark()` follows the `color-scheme` that Streamlit sets, so one sheet serves both themes.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_SHEET = Path(__file__).with_name("theme.css").read_text(encoding="utf-8")


def apply_theme() -> None:
    """Adds the style sheet to the page; call once a rerun, before anything is drawn."""
    st.html(f"<style>{_SHEET}</style>")
