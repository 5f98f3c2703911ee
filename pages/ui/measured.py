"""Counts the pages that somebody goes to, and how long the first drawing took. Drawn again, a page counts no more.

What is slow is noted every time: the whole script from its first line, with the processor time of its thread beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

_SEEN = "page-counted"


class Begun(NamedTuple):
    """When a script began, in seconds of the clock and of its thread's processor time."""

    clock: float
    processor: float


def begin() -> Begun:
    """For the first line of a script."""
    return Begun(perf_counter(), thread_time())


@contextmanager
def counted_view(runtime: Runtime, account_id: str, page: str, begun: Begun) -> Iterator[None]:
    """Around all that draws a page; what was done since `begun` counts to it."""
    came = st.session_state.get(_SEEN) != page
    st.session_state[_SEEN] = page
    try:
        yield
    finally:  # a page that stops early, or fails, was seen as well
        took_ms, worked_ms = (perf_counter() - begun.clock) * 1000, (thread_time() - begun.processor) * 1000
        runtime.slow.page(page, took_ms, worked_ms)
        if came:
            runtime.events.emit("page.viewed", account_id, page=page, duration_ms=took_ms)
