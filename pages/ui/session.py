"""Who is looking: the session behind the cookie, looked up at every rerun, callback and fragment.

A websocket outlives a session, and its cookies are frozen at the handshake. So nothing here is remembered
from one rerun to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from core.accounts.domain import SessionView, cookie_name
from core.accounts.queries import find_session
from core.bootstrap import get_runtime
from pages.ui.theme import asset

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

_leave = st.components.v2.component("stepiq.leave", js=asset("leave.js"))

P = ParamSpec("P")
R = TypeVar("R")


def current_session(runtime: Runtime) -> SessionView:
    """The session of the person looking. Without one the page says so and stops."""
    session = _look_up(runtime)
    if session is None:
        _say_signed_out()
        _stop()
    return session


def require_role(runtime: Runtime, *roles: str) -> SessionView:
    """As `current_session`; who has none of the roles sees what they would see if the page were not there."""
    session = current_session(runtime)
    if not session.account.roles & set(roles):
        st.error("There is no such page, or it is not open to you.", icon=":material/block:")
        _stop()
    return session


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """For callbacks: runs the function only while the session is live; the rerun that follows tells the person."""

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R | None:
        if _look_up(get_runtime()) is None:
            return None
        return function(*args, **kwargs)

    return checked


def _stop() -> NoReturn:
    # Streamlit's own only asks for it, and goes on in a callback: nothing interrupts those (pages/ui/interruptions.py).
    raise StopException


def count_error(code: str) -> None:
    """Count that somebody was told of an error, by its code."""
    runtime = get_runtime()
    session = _look_up(runtime)
    if session is not None:
        runtime.events.emit("error.met", session.account.id, error=code, surface="app")


def _look_up(runtime: Runtime) -> SessionView | None:
    return find_session(runtime, st.context.cookies.get(cookie_name(https=runtime.settings.is_https)))


def _say_signed_out() -> None:
    st.html(
        '<h1 class="sq-title">Signed out</h1><p class="sq-facts">Your session has ended. Nothing you saved is lost.</p>'
    )
    st.html('<p><a class="sq-link" href="/auth/login" target="_self">Sign in again</a></p>')
    # The browser goes there by itself: left here, it would say that its connection failed, which ends as well.
    _leave(key="leave", data={"to": "/auth/login"}, height=1)
