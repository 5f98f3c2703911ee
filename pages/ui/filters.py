"""Filters and pages of a list in the address, so that the back button and links work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from pages.ui.address import address, go
from pages.ui.memory import forget_widgets, widget_text
from pages.ui.navigator import base_path
from pages.ui.session import guarded

AFTER = "after"


def choose(label: str, name: str, words: Mapping[str, str], *, width: int = 170) -> None:
    """A choice that is kept under `name` in the address; the empty one leaves it out."""
    wanted = st.query_params.get(name, "")
    known = dict(words) if wanted in words else {**words, wanted: wanted}
    st.selectbox(
        label, list(known), index=list(known).index(wanted), key=_key(name), width=width,
        format_func=lambda value: known[value], on_change=_filter, args=(name,),
    )  # fmt: skip


def write(label: str, name: str, *, width: int = 220, placeholder: str = "") -> None:
    """A field whose words are kept under `name` in the address: for ids and codes, never for what is personal."""
    st.text_input(
        label, value=st.query_params.get(name, ""), key=_key(name), width=width, placeholder=placeholder,
        on_change=_filter, args=(name,),
    )  # fmt: skip


def clear_button(names: Sequence[str]) -> None:
    """A way back to the whole list, while something is filtered."""
    if any(name in st.query_params for name in names):
        st.button(
            "Clear filters", key="filters-clear", type="tertiary", icon=":material/close:", on_click=_clear,
            args=(tuple(names),),
        )  # fmt: skip


def pager_html(page: str, next_cursor: str | None, older: str = "Older") -> str:
    """Links to the newest and to older rows; empty where there is one page."""
    query, links = address(), []
    if AFTER in query:
        links.append(link_html(page, {name: value for name, value in query.items() if name != AFTER}, "Newest"))
    if next_cursor:
        links.append(link_html(page, {**query, AFTER: next_cursor}, older))
    return f'<div class="sq-row sq-facts">{"".join(links)}</div>' if links else ""


def link_html(page: str, query: Mapping[str, str], words: str) -> str:
    """A link to a page of the app; the words are text."""
    target = f"{base_path()}{page}" + (f"?{urlencode(query)}" if query else "")
    return f'<a class="sq-link" href="{escape(target)}" target="_self">{escape(words)}</a>'


@guarded
def _filter(name: str) -> None:
    query = {key: value for key, value in address().items() if key not in (name, AFTER)}
    value = widget_text(_key(name)).strip()
    go({**query, name: value} if value else query)


@guarded
def _clear(names: tuple[str, ...]) -> None:
    forget_widgets(*map(_key, names))
    go({key: value for key, value in address().items() if key not in (*names, AFTER)})


def _key(name: str) -> str:
    return f"filter-{name}"
