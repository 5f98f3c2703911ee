"""A person's requests, a card each: days left, time line, and what can still be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.privacy.domain import LONGEST_TEXT, PrivacyRequestView
from core.privacy.export.fetching import find_copy
from core.privacy.queries import RequestFile, get_request
from core.privacy.rights import STEPS
from pages.account import my_data_actions as actions
from pages.ui.privacy import days_left_html, head_html, steps_html, timeline_html
from pages.ui.words import bytes_size, exact, joined, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

CONFIRM = "/auth/confirm?then=my-data"


def draw_requests(runtime: Runtime, session: SessionView, title: str, views: tuple[PrivacyRequestView, ...]) -> None:
    """The cards, the newest first."""
    st.html(f'<h2 class="sq-id">{title}</h2>')
    for view in views:
        with st.container(border=True, key=f"request-{view.id}"):
            _draw(runtime, session, view)


def _draw(runtime: Runtime, session: SessionView, view: PrivacyRequestView) -> None:
    now = runtime.clock.now()
    st.html(head_html(view))
    if view.is_open:
        st.html(days_left_html(view, now) + _waits(view, runtime))
    else:
        closed = time_html(view.closed_at, now)
        st.html(
            f'<p class="sq-facts">{joined(f"received {time_html(view.received_at, now)}", f"answered {closed}")}</p>'
        )
    _draw_buttons(runtime, session, view)
    chosen = st.query_params.get("request") == view.id
    with st.expander("Time line and messages", key=f"timeline-{view.id}", expanded=chosen):
        file = get_request(runtime, session.account.id, view.id)
        _draw_file(runtime, file)


def _waits(view: PrivacyRequestView, runtime: Runtime) -> str:
    now = runtime.clock.now()
    if view.status == "scheduled" and view.start_at is not None and view.start_at > now:
        return (
            f'<p class="sq-facts">It begins <span title="{exact(view.start_at)}">{until(view.start_at, now)}</span>. '
            "Until then you can take it back; after that nothing can be brought back.</p>"
        )
    if view.status == "awaiting_identity":
        return '<p class="sq-facts">Open the link we mailed to you: it shows that you asked.</p>'
    return ""


def _draw_buttons(runtime: Runtime, session: SessionView, view: PrivacyRequestView) -> None:
    now = runtime.clock.now()
    with st.container(horizontal=True, vertical_alignment="center", key=f"request-acts-{view.id}"):
        if view.can_withdraw:
            label = "Keep my account" if view.right == "erasure" else "Take it back"
            st.button(label, key=f"withdraw-{view.id}", on_click=actions.withdraw, args=(view.id,))
        if view.status == "scheduled" and view.start_at is not None and view.start_at > now:
            if session.is_confirmed(now):
                st.button(
                    "Begin now", key=f"begin-{view.id}", type="tertiary", on_click=actions.begin_now, args=(view.id,)
                )
            else:
                st.html(f'<a class="sq-link" href="{CONFIRM}" target="_self">Confirm your password to begin now</a>')
        _draw_copy(runtime, session, view)
        if view.outcome in ("fulfilled", "partial", "refused"):
            st.html(
                f'<a class="sq-link" href="/api/privacy/requests/{view.id}/answer" target="_self">'
                "The answer as a letter (PDF)</a>"
            )


def _draw_copy(runtime: Runtime, session: SessionView, view: PrivacyRequestView) -> None:
    """The copy, while it is there: fetched once, shortly after the password."""
    copy = find_copy(runtime, session.account.id, view.id) if view.right in ("access", "portability") else None
    if copy is None or copy.fetched_at is not None:
        return
    now = runtime.clock.now()
    if not session.is_confirmed(now):
        st.html(f'<a class="sq-link" href="{CONFIRM}" target="_self">Confirm your password to fetch your copy</a>')
        return
    st.html(
        f'<a class="sq-button" href="/api/privacy/requests/{view.id}/download" target="_self">Fetch your copy '
        f"({bytes_size(copy.size)})</a>"
    )
    st.html(f'<span class="sq-facts">once, ends {until(copy.expires_at, now)}</span>')


def _draw_file(runtime: Runtime, file: RequestFile) -> None:
    request = file.request
    says = {step.name: step.says for step in STEPS.get(request.right, ())}
    st.html(timeline_html(file.events, runtime.clock.now()) + steps_html(file.steps, says))
    if file.details.text:
        st.html('<p class="sq-label">What you wrote</p>')
        st.text(file.details.text)
    st.text_area(
        "Write to the privacy team", key=f"message-{request.id}", max_chars=LONGEST_TEXT, height=80,
        placeholder="They answer here, and by mail",
    )  # fmt: skip
    st.button("Send", key=f"send-{request.id}", on_click=actions.write, args=(request.id,))
