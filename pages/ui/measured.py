"""Counts the pages that somebody goes to, and how long the first drawing took. Drawn again, a page counts no more.

What is slow is noted every time: the whole script from its first line, and what its thread had of a processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st

from core.shared.thread_times import ThreadTimes, thread_times

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

_SEEN = "page-counted"


@contextmanager
def counted_view(runtime: Runtime, account_id: str, page: str, begun: ThreadTimes) -> Iterator[None]:
    """Around all that draws a page; what was done since `begun` counts to it."""
    came = st.session_state.get(_SEEN) != page
    st.session_state[_SEEN] = page
    try:
        yield
    finally:  # a page that stops early, or fails, was seen as well
        took = thread_times() - begun
        runtime.slow.page(page, took)
        if came:
            runtime.events.emit("page.viewed", account_id, page=page, duration_ms=took.clock)
