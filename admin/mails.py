"""The mail outbox: what waits, what was sent and what failed, without what a mail says or to whom it goes."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.accounts.outbox import drop, send_again
from core.bootstrap import get_runtime
from core.platform.bounded import MANY
from core.platform.mail.domain import MAX_ATTEMPTS, MailView, OutboxFigures
from core.platform.mail.queries import list_mails, outbox_figures, recipient_hints
from pages.ui.address import address
from pages.ui.badges import text_badge
from pages.ui.confirm import confirm_delete
from pages.ui.filters import AFTER, choose, link_html, pager_html
from pages.ui.memory import ask_dialog, take_dialog
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.people import person_link
from pages.ui.session import guarded, require_role
from pages.ui.words import joined, many, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

A_PAGE, WAITING_SHOWN = 50, 20
STATES = {"": "Waiting first, then all", "queued": "Waiting", "failed": "Failed", "dropped": "Dropped", "sent": "Sent"}
LOOKS = {
    "queued": ("waiting", "blue"),
    "sent": ("sent", "green"),
    "failed": ("failed", "red"),
    "dropped": ("dropped", "gray"),
}
REASONS = {
    "expired": "Not worth sending any more",
    "key_gone": "Its person was deleted",
    "by_hand": "Dropped by an admin",
    "process_died": "Each process that sent it died",
    "seal_broken": "Sealed with another key: look at STEPIQ_MASTER_KEY",
    "not_renderable": "Its template could not be filled",
}
"""Codes that are ours; others are what the server answered."""


def mails_page() -> None:
    """Figures, what waits as rows with buttons, the rest as a table."""
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    figures = outbox_figures(runtime)
    st.html(
        '<h1 class="sq-title">Mail</h1><p class="sq-facts">Mails are kept until they are sent; then what they say and '
        "to whom is deleted, so only what waits can be tried again.</p>"
    )
    draw_notices()
    _draw_transport(runtime)
    _draw_figures(figures)
    choose("State", "state", STATES, width=230)
    state = address().get("state", "")
    if state in ("", "queued"):
        _draw_waiting(runtime, session)
    if state != "queued":
        _draw_ended(runtime, state)
    dialog, details = take_dialog()
    if dialog == "drop-mail":
        _confirm_drop(**details)


def _draw_transport(runtime: Runtime) -> None:
    if runtime.mail.transport is None:
        st.html(
            '<div class="sq-trouble"><span>No mail server is named, so nothing is sent: set <code>SMTP_URL</code> and '
            "start again. What waits is kept for as long as it is worth sending.</span></div>"
        )
    elif not runtime.settings.smtp_url:
        st.html(
            '<div class="sq-empty">No mail server is named: mails land as files in the data folder. '
            "<code>SMTP_URL</code> names one.</div>"
        )


def _draw_figures(figures: OutboxFigures) -> None:
    with st.container(key="figures"):
        places = st.columns(4)
    late = f"{figures.queued_over_an_hour:,} for more than an hour." if figures.queued_over_an_hour else None
    shown = (
        ("Waiting", figures.queued, late),
        ("Sent", figures.sent, None),
        ("Failed", figures.failed, "Refused for good, or every try was used."),
        ("Dropped", figures.dropped, "Not sent, and rightly so."),
    )
    for place, (label, number, said) in zip(places, shown, strict=True):
        place.metric(label, many(number, MANY), border=True, help=said)


def _draw_waiting(runtime: Runtime, session: SessionView) -> None:
    query = address()
    page = list_mails(
        runtime, states=("queued",), limit=WAITING_SHOWN, cursor=query.get(AFTER) if query.get("state") else None
    )
    st.html('<h2 class="sq-id">Waiting</h2>')
    if not page.items:
        st.html('<div class="sq-blank"><b>Nothing waits.</b> Mails leave within seconds of what causes them.</div>')
        return
    now, hints = runtime.clock.now(), recipient_hints(runtime, [mail.id for mail in page.items])
    confirmed = session.is_confirmed(now)
    if not confirmed:
        st.html(
            '<div class="sq-empty">Dropping a mail: within 10 minutes after your password. '
            '<a class="sq-link" href="/auth/confirm?then=admin-mail" target="_self">Confirm it</a>.</div>'
        )
    for mail in page.items:
        _draw_mail(mail, hints.get(mail.id, ""), now, confirmed)
    if query.get("state"):
        st.html(pager_html("admin-mail", page.next_cursor) or "<span></span>")
    elif page.next_cursor:
        more = link_html("admin-mail", {"state": "queued"}, "All that wait")
        st.html(f'<div class="sq-row sq-facts">The newest {WAITING_SHOWN}. {more}</div>')


def _draw_mail(mail: MailView, hint: str, now: datetime, confirmed: bool) -> None:
    tried = f"{mail.attempts} of {MAX_ATTEMPTS} tries" if mail.attempts else "not tried yet"
    facts = joined(
        escape(hint), f"written {time_html(mail.created_at, now)}", tried,
        f"next {escape(until(mail.next_attempt_at, now))}", _reason(mail),
    )  # fmt: skip
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"mail-{mail.id}"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">{escape(kind_words(mail.kind))}</span>'
            f'<span class="sq-facts">{facts}</span></div>'
        )
        st.button("Try now", key=f"mail-again-{mail.id}", on_click=_again, args=(mail.id,))
        st.button("Drop", key=f"mail-drop-{mail.id}", type="tertiary", disabled=not confirmed, on_click=_ask_drop,
                  args=(mail.id, mail.kind))  # fmt: skip


def _draw_ended(runtime: Runtime, state: str) -> None:
    states = (state,) if state in ("failed", "dropped", "sent") else ("failed", "dropped", "sent")
    page = list_mails(runtime, states=states, limit=A_PAGE, cursor=address().get(AFTER))  # type: ignore[arg-type]
    st.html('<h2 class="sq-id">Ended</h2>')
    if not page.items:
        st.html('<div class="sq-blank">None so far.</div>')
        return
    now = runtime.clock.now()
    rows = "".join(
        f'<tr><td class="sq-cell-name">{escape(kind_words(mail.kind))}</td>'
        f'<td class="sq-cell-status">{text_badge(*LOOKS[mail.state])}</td>'
        f'<td class="sq-cell-cost">{person_link(mail.account_id) if mail.account_id else "nobody’s"}</td>'
        f'<td class="sq-cell-long sq-num">{mail.attempts}</td>'
        f'<td class="sq-cell-time">{time_html(mail.ended_at, now)}</td>'
        f'<td class="sq-cell-long">{_reason(mail)}</td></tr>'
        for mail in page.items
    )
    st.html(
        '<div class="sq-scroll"><table class="sq-table sq-runs"><thead><tr><th scope="col">Kind</th>'
        '<th scope="col">State</th><th scope="col">Person</th><th scope="col" class="sq-num">Tries</th>'
        '<th scope="col">Ended</th><th scope="col">Why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{pager_html('admin-mail', page.next_cursor)}"
    )


def _reason(mail: MailView) -> str:
    if mail.reason is None:
        return ""
    return escape(REASONS[mail.reason]) if mail.reason in REASONS else f"<code>{escape(mail.reason)}</code>"


def kind_words(kind: str) -> str:
    """`password_changed` as `Password changed`."""
    return kind.replace("_", " ").capitalize()


def _confirm_drop(mail_id: str, kind: str) -> None:
    confirm_delete(
        "Drop this mail?",
        f"<p>“{escape(kind_words(kind))}” is never sent, and what it says is deleted. This cannot be undone.</p>",
        "Drop it", key="mail-drop-go", keep="mail-drop-keep", delete=lambda: _drop(mail_id),
    )  # fmt: skip


@guarded
def _ask_drop(mail_id: str, kind: str) -> None:
    require_role(get_runtime(), "admin")
    ask_dialog("drop-mail", mail_id=mail_id, kind=kind)


@guarded
def _again(mail_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    if attempt(lambda: send_again(runtime, session, mail_id)):
        say("It is tried within a few seconds.")


@guarded
def _drop(mail_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")
    if attempt(lambda: drop(runtime, session, mail_id)):
        say("Dropped.")


if __name__ == "__main__":
    mails_page()
