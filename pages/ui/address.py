"""Where in the app a person is: what the address asks for, and going elsewhere.

A request that the browser made before it heard of a new address brings the old one, and Streamlit draws the page from
that. So where one goes is remembered until the page was drawn whole from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

_PAGE = "address-page"
_WANTED = "address-wanted"


@dataclass(frozen=True, slots=True)
class _Wanted:
    page: str
    query: Mapping[str, str]


def address() -> dict[str, str]:
    """What the address asks for."""
    return st.query_params.to_dict()


def go(query: Mapping[str, str]) -> None:
    """To where this page's address asks for exactly this."""
    st.session_state[_WANTED] = _Wanted(st.session_state.get(_PAGE, ""), dict(query))
    st.query_params.from_dict(query)


def come_back(page: str) -> None:
    """At the beginning of a rerun of a page: to where somebody went, unless that was on another page."""
    st.session_state[_PAGE] = page
    wanted: _Wanted | None = st.session_state.get(_WANTED)
    if wanted is not None and wanted.page != page:
        settle()
    elif wanted is not None and address() != wanted.query:
        st.query_params.from_dict(wanted.query)


def settle() -> None:
    """The page, or the part of it that is drawn alone, was drawn whole: who asks for another address now means it."""
    st.session_state.pop(_WANTED, None)
