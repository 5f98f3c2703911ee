"""The question before something is deleted for good."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def confirm_delete(title: str, html: str, label: str, *, key: str, keep: str, delete: Callable[[], None]) -> None:
    """Ask in a dialog. `key` and `keep` are the keys of its two buttons; `delete` is a callback of its own."""

    @st.dialog(title, icon=":material/delete:")
    def ask() -> None:
        st.html(html)
        with st.container(horizontal=True):
            if st.button(label, type="primary", key=key, on_click=delete):
                st.rerun()
            if st.button("Keep it", key=keep):
                st.rerun()

    ask()
