"""Counts the pages that somebody goes to, and how long the first drawing took. Drawn again, a page counts no more.

What is slow is noted every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

_SEEN = "page-counted"


@contextmanager
def counted_view(runtime: Runtime, account_id: str, page: str) -> Iterator[None]:
    """Around the drawing of a page."""
    came = st.session_state.get(_SEEN) != page
    st.session_state[_SEEN] = page
    began = perf_counter()
    try:
        yield
    finally:  # a page that stops early, or fails, was seen as well
        took_ms = (perf_counter() - began) * 1000
        runtime.slow.page(page, took_ms)
        if came:
            runtime.events.emit("page.viewed", account_id, page=page, duration_ms=took_ms)
