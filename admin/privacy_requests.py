"""Requests of data subjects: a queue by days left, and a room for each in which it is handled without a name."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from admin import privacy_actions as actions
from admin.privacy_detail import draw_detail
from core.accounts.domain import SessionView
from core.bootstrap import get_runtime
from core.privacy.domain import LONGEST_TEXT, RIGHTS, PrivacyRequestView
from core.privacy.queries import RequestFigures, closed_requests, open_requests, request_figures
from core.privacy.signatures import ROLE
from core.privacy.words import CAME_BY, IDENTITIES, RIGHT_NAMES
from pages.ui.badges import icon, text_badge
from pages.ui.memory import keep, recall
from pages.ui.notices import draw_notices
from pages.ui.privacy import ICONS, days_left_html, state_badge
from pages.ui.session import require_role
from pages.ui.words import joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ROLES = ("admin", ROLE)
ROOM = "/app/privacy-requests"
CONFIRM = "/auth/confirm?then=privacy-requests"
ANSWERED, QUEUED_A_PAGE = 20, 25
QUEUE_FROM = "privacy-queue-from"
CHANNELS = {"letter": "Letter", "mail": "E-mail"}


def privacy_requests_page() -> None:
    """The queue, or one request."""
    runtime = get_runtime()
    session = require_role(runtime, *ROLES)
    chosen = st.query_params.get("request")
    if chosen and ROLE in session.account.roles:
        draw_detail(runtime, session, chosen, CONFIRM)
        return
    st.html(
        '<h1 class="sq-title">Data requests</h1><p class="sq-facts">What people asked for by right, the one due first '
        "at the top. Handled without names; who must look says why, and the person is told.</p>"
    )
    draw_notices()
    if ROLE not in session.account.roles:
        st.html(
            '<div class="sq-empty">Only privacy admins handle requests. An admin gives the role under '
            '<a class="sq-link" href="/app/people" target="_self">People</a>.</div>'
        )
    _draw_figures(request_figures(runtime))
    if ROLE in session.account.roles:
        _draw_enter(runtime, session)
    _draw_queue(runtime, session)
    _draw_answered(runtime, session)


def _draw_figures(figures: RequestFigures) -> None:
    with st.container(key="figures"):
        places = st.columns(4)
    median = "none yet" if figures.median_days is None else f"{figures.median_days:.1f} d"
    shown = (
        ("Open", f"{figures.open:,}", None),
        ("Past due", f"{figures.past_due:,}", "Open requests whose day of answer is over."),
        ("30 days missed", f"{figures.missed_promise:,}", "Extended in time or not: the promise is counted by itself."),
        ("Median answer", median, f"From receipt to answer, over the newest {figures.answered:,} that were answered."),
    )
    for place, (label, value, said) in zip(places, shown, strict=True):
        place.metric(label, value, border=True, help=said)


def _draw_enter(runtime: Runtime, session: SessionView) -> None:
    with st.expander("Enter a request from a letter or mail", key="enter-request", icon=":material/mail:"):
        if not session.is_confirmed(runtime.clock.now()):
            st.html(
                '<div class="sq-empty">Requests are entered within 10 minutes after your password. '
                f'<a class="sq-link" href="{CONFIRM}" target="_self">Confirm it</a>.</div>'
            )
            return
        with st.form("enter", border=False, enter_to_submit=False):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                st.text_input("Address of the account", key="enter-email", width=280, autocomplete="off")
                st.selectbox("Right", RIGHTS, key="enter-right", width=170, format_func=RIGHT_NAMES.__getitem__)
                ways = list(CHANNELS)
                st.selectbox("Came by", ways, key="enter-channel", width=130, format_func=CHANNELS.__getitem__)
                today = runtime.clock.now().date()
                st.date_input("Came in on", value=today, max_value=today, key="enter-day", width=150)
            st.text_area("What it says", key="enter-text", max_chars=LONGEST_TEXT, height=90)
            st.text_area(
                "What shows who asked", key="enter-evidence", max_chars=LONGEST_TEXT, height=70,
                placeholder="In words, without copies of documents. Empty: a link is mailed to the account’s address.",
            )  # fmt: skip
            st.form_submit_button("Enter", type="primary", on_click=actions.enter)


def _draw_queue(runtime: Runtime, session: SessionView) -> None:
    waiting = open_requests(runtime)
    st.html('<h2 class="sq-id">Open</h2>')
    if not waiting:
        st.html(
            '<div class="sq-blank"><b>Nothing waits.</b> Requests come from My data, the API, and the public form at '
            "<code>/privacy/request</code>.</div>"
        )
        return
    place = min(int(recall(QUEUE_FROM) or 0), (len(waiting) - 1) // QUEUED_A_PAGE * QUEUED_A_PAGE)
    for view in waiting[place : place + QUEUED_A_PAGE]:
        with st.container(border=True, key=f"queue-{view.id}"):
            st.html(_row(view, session, runtime.clock.now()))
    _draw_turning(place, len(waiting))


def _draw_turning(place: int, number: int) -> None:
    if number <= QUEUED_A_PAGE:
        return
    last = min(place + QUEUED_A_PAGE, number)
    with st.container(horizontal=True, vertical_alignment="center", key="queue-pages"):
        st.html(f'<span class="sq-facts">{place + 1:,} to {last:,} of {number:,}, by days left</span>', width="content")
        if place:
            st.button("Due sooner", key="queue-back", on_click=keep, args=(QUEUE_FROM, place - QUEUED_A_PAGE))
        if last < number:
            st.button("Due later", key="queue-on", on_click=keep, args=(QUEUE_FROM, last))


def _row(view: PrivacyRequestView, session: SessionView, now: datetime) -> str:
    identity = (
        text_badge(f"who: {IDENTITIES[view.identity]}", "green") if view.identity else text_badge("who: open", "amber")
    )
    mine = text_badge("your own", "gray") if view.account_id == session.account.id else ""
    person = f'<code title="{escape(view.account_id)}">…{escape(view.account_id[-8:])}</code>'
    handles = view.account_id != session.account.id and ROLE in session.account.roles
    link = f'<a class="sq-link" href="{ROOM}?request={view.id}" target="_self">Open</a>' if handles else ""
    facts = joined(person, f"received {time_html(view.received_at, now)}", CAME_BY[view.channel])
    return (
        f'<div class="sq-row">{icon(ICONS[view.right])}<span class="sq-id">{RIGHT_NAMES[view.right]}</span>'
        f'{state_badge(view)}{identity}{mine}<span class="sq-facts sq-grow">{facts}</span>{link}</div>'
        f"{days_left_html(view, now)}"
    )


def _draw_answered(runtime: Runtime, session: SessionView) -> None:
    found = closed_requests(runtime, ANSWERED).items
    if not found:
        return
    now = runtime.clock.now()
    handles = ROLE in session.account.roles
    rows = "".join(
        f"<tr><td>{RIGHT_NAMES[view.right]}</td><td>{state_badge(view)}</td>"
        f"<td><code>…{escape(view.account_id[-8:])}</code></td><td>{time_html(view.received_at, now)}</td>"
        f"<td>{time_html(view.closed_at, now)}</td><td>{_open_link(view, session) if handles else ''}</td></tr>"
        for view in found
    )
    st.html(
        '<h2 class="sq-id">Answered</h2><div class="sq-scroll"><table class="sq-table"><thead><tr><th>Right</th>'
        "<th>Answer</th><th>Person</th><th>Received</th><th>Answered</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _open_link(view: PrivacyRequestView, session: SessionView) -> str:
    if view.account_id == session.account.id:
        return ""
    return f'<a href="{ROOM}?request={view.id}" target="_self">Open</a>'


if __name__ == "__main__":
    privacy_requests_page()
