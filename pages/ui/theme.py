"""The style sheet of the app: what Streamlit's theme cannot say, in the tokens of `.streamlit/config.toml`.

`light-dark()` follows the `color-scheme` that Streamlit sets, so one sheet serves both themes.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

_ASSETS = Path(__file__).with_name("assets")


@cache
def asset(name: str) -> str:
    """The text of a style sheet or script of ours, read once."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def apply_theme() -> None:
    """Adds the style sheet to the page; call once a rerun, before anything is drawn."""
    st.html(f"<style>{asset('theme.css')}</style>")
