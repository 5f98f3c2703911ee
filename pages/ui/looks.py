"""What a person reads about admins who looked at their content: a banner until it is read, and a list under My data."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import Account
from core.accounts.looks import LookView, looks_at, note_looks_read, unread_look
from core.bootstrap import get_runtime
from pages.ui.filters import link_html
from pages.ui.notices import attempt
from pages.ui.session import current_session, guarded
from pages.ui.words import count, joined, time_html, until

if TYPE_CHECKING:
    from datetime import datetime

    from core.platform.runtime import Runtime


def draw_look_notice(runtime: Runtime, account: Account) -> None:
    """On every page, until the person says that they read it."""
    at = unread_look(runtime, account.id)
    if at is None:
        return
    with st.container(key="look-banner", border=True, horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="sq-facts"><b>An admin opened your content</b> {time_html(at, runtime.clock.now())}. Why, and '
            f"what was read, is under {link_html('my-data', {}, 'My data')}.</div>"
        )
        st.button("I read it", key="look-read", type="tertiary", on_click=_read)


def draw_looks(runtime: Runtime, account: Account) -> None:
    """Every look with its reason and what was opened; nothing where nobody looked."""
    looks = looks_at(runtime, account.id)
    if not looks:
        return
    now = runtime.clock.now()
    with st.container(border=True, key="my-data-looks"):
        st.html(
            '<h2 class="sq-id">Who looked at your content</h2><p class="sq-facts">An admin may read your pipelines and '
            "runs for a written reason, for 30 minutes, and change nothing. You are told each time.</p>"
            + "".join(_look_html(look, now) for look in looks)
        )


def _look_html(look: LookView, now: datetime) -> str:
    things = [count(look.opened[kind], kind) for kind in ("run", "pipeline") if kind in look.opened]
    if "list" in look.opened:
        things.append("the names of your pipelines")
    read = ", ".join(things) or "nothing"
    state = f"open, closes {escape(until(look.ends_at, now))}" if look.is_open(now) else "closed"
    return (
        f'<p class="sq-facts">{joined(time_html(look.opened_at, now), f"read: {read}", state)}</p>'
        f'<div class="sq-quote">{escape(look.reason)}</div>'
    )


@guarded
def _read() -> None:
    runtime = get_runtime()
    account_id = current_session(runtime).account.id
    attempt(lambda: note_looks_read(runtime, account_id))
