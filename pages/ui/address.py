"""Where in the app a person is: what the address asks for, and going elsewhere.

A request that the browser made before it heard of a new address brings the old one, and Streamlit draws the page from
that. So where one goes is remembered until the browser asks from there, goes back in its history, or asks from anywhere
else than where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_PAGE = "address-page"
_WANTED = "address-wanted"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """`before`: addresses that the browser may still ask from. `is_new`: no page was begun from it yet."""

    page: str
    query: Mapping[str, str]
    before: tuple[Mapping[str, str], ...]
    is_new: bool = True


def address() -> dict[str, str]:
    """What the address asks for."""
    return st.query_params.to_dict()


def go(query: Mapping[str, str]) -> None:
    """To where this page's address asks for exactly this."""
    page, known, asked = st.session_state.get(_PAGE, ""), _wanted(), address()
    is_unheard = known is not None and known.page == page and (known.is_new or asked in known.before)
    before = (*known.before, known.query) if known is not None and is_unheard else (asked,)
    st.session_state[_WANTED] = _Wanted(page, dict(query), tuple(each for each in before if each != query))
    st.query_params.from_dict(query)


def come_back(page: str) -> None:
    """At the beginning of a rerun of a page: to where somebody went, if the browser has not heard of it yet."""
    st.session_state[_PAGE] = page
    wanted, asked, context = _wanted(), address(), get_script_run_ctx()
    if wanted is None:
        return
    if wanted.page != page:
        _forget()
        if wanted.is_new and asked == wanted.query:  # what was chosen on the page that was left
            st.query_params.clear()
    elif wanted.is_new and asked == wanted.query:
        st.session_state[_WANTED] = replace(wanted, is_new=False)
    elif asked in wanted.before and not (context is not None and context.is_history_navigation):
        st.query_params.from_dict(wanted.query)
        st.session_state[_WANTED] = replace(wanted, is_new=False)
    else:
        _forget()


def _wanted() -> _Wanted | None:
    found: _Wanted | None = st.session_state.get(_WANTED)
    return found


def _forget() -> None:
    st.session_state.pop(_WANTED, None)
