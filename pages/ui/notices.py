"""What the last action has to say: errors that stay until the next action, undo, and the error boundary."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import streamlit as st
import structlog

from core.shared.errors import AppError
from pages.ui.session import count_error, guarded

_NOTICE = "notice"
_UNDO = "notice-undo"
_log = structlog.get_logger(room="pages")


def attempt(action: Callable[[], Any]) -> bool:
    """Runs a command for a callback. An error the person can act on becomes a notice; True when it worked."""
    st.session_state.pop(_NOTICE, None)
    try:
        action()
    except AppError as error:
        st.session_state[_NOTICE] = ("error", error.message, _lines(error))
        count_error(error.code)
        return False
    return True


def say(message: str) -> None:
    """A short confirmation, shown once."""
    st.session_state[_NOTICE] = ("done", message, ())


def offer_undo(message: str, action: Callable[[], Any]) -> None:
    """Says what was done with a button that takes it back."""
    st.session_state[_UNDO] = (message, action)


def forget_undo() -> None:
    """Withdraws the offer: something else was changed since."""
    st.session_state.pop(_UNDO, None)


def draw_notices() -> None:
    """Draws what the last action left; call where the eye is, near the top."""
    kind, message, lines = st.session_state.get(_NOTICE, (None, "", ()))
    if kind == "error":
        body = "".join(f"\n- {line}" for line in lines)
        with st.container(key="notice"):
            st.error(f"{message}{body}", icon=":material/error:")
    elif kind == "done":
        st.toast(message, icon=":material/check:")
        del st.session_state[_NOTICE]
    if _UNDO in st.session_state:
        message, action = st.session_state[_UNDO]
        with st.container(key="undo-bar", horizontal=True, vertical_alignment="center", border=True):
            st.html(f'<div class="sq-facts">{escape(message)}</div>')
            st.button("Undo", key="undo", icon=":material/undo:", type="tertiary", on_click=_undo, args=(action,))
            st.button("Dismiss", key="undo-dismiss", type="tertiary", on_click=forget_undo)


@guarded
def _undo(action: Callable[[], Any]) -> None:
    forget_undo()
    attempt(action)


@contextmanager
def error_boundary() -> Iterator[None]:
    """Shows a friendly message with a reference instead of a traceback; the log has the reference too."""
    try:
        yield
    except AppError as error:
        st.error(error.message, icon=":material/error:")
    except Exception as error:
        reference = secrets.token_hex(4)
        # The log keeps the type and the place; an exception's text may quote content.
        _log.error("page.failed", reference=reference, exc_info=error)
        st.error(
            "This page could not be shown. What you saved is safe. Reload the page; if it happens again, "
            f"report reference **{reference}**.",
            icon=":material/error:",
        )


def _lines(error: AppError) -> tuple[str, ...]:
    details = error.context.get("details") or ()
    return tuple(_line(detail) for detail in details)


def _line(detail: Any) -> str:
    if isinstance(detail, dict):
        place = f"line {detail['line']}:{detail.get('column') or 1}: " if detail.get("line") else ""
        path = f"`{detail['path']}` " if detail.get("path") and not place else ""
        return f"{place}{path}{detail.get('message', '')}"
    return str(detail)
