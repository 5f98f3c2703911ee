"""Legal holds: what of a person is kept although its time is over, under which law, until when, signed by two."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.bootstrap import get_runtime
from core.privacy.retention.holds import (
    LONGEST_LAW,
    LONGEST_REASON,
    UNSIGNED,
    LegalHold,
    cosign_hold,
    lift_hold,
    list_holds,
    place_hold,
)
from core.privacy.signatures import ROLE
from core.privacy.wording import CATEGORIES, category_title
from pages.ui.badges import text_badge
from pages.ui.memory import forget_widgets, recall, widget_text
from pages.ui.notices import attempt, say
from pages.ui.session import guarded, require_role
from pages.ui.words import joined, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ALL = "Everything of this person"


def draw_holds(runtime: Runtime, session: SessionView, account_id: str | None = None) -> None:
    """The holds that count: of one person, whom more can be placed on, or of everybody."""
    may_act = ROLE in session.account.roles and session.is_confirmed(runtime.clock.now())
    with st.container(border=True, key="legal-holds"):
        st.html('<h2 class="sq-id">Legal holds</h2>')
        holds = list_holds(runtime, account_id)
        if not holds:
            st.html('<p class="sq-facts">Nothing is held back: everything goes when its time is over.</p>')
        for hold in holds:
            _draw_hold(hold, runtime.clock.now(), may_act and hold.account_id != session.account.id)
        if account_id is not None and may_act and account_id != session.account.id:
            _draw_form(account_id)


def _draw_hold(hold: LegalHold, now: datetime, may_act: bool) -> None:
    what = category_title(hold.category) if hold.category else ALL
    if hold.table:
        what = f"One row of {hold.table}"
    signed = text_badge("signed twice", "green") if hold.cosigned_by else text_badge("one signature", "amber")
    ends = "" if hold.cosigned_by else f"lapses {until(hold.placed_at + UNSIGNED, now)} without a second"
    facts = joined(
        escape(hold.law), f"until {hold.until:%Y-%m-%d}", f"placed {time_html(hold.placed_at, now)}", ends,
        f"<code>…{escape(hold.account_id[-8:])}</code>",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", key=f"hold-{hold.id}"):
        st.html(
            f'<div class="sq-row"><b>{escape(what)}</b>{signed}<span class="sq-facts">{facts}</span></div>'
            f'<p class="sq-facts">{escape(hold.reason)}</p>'
        )
        if may_act and hold.cosigned_by is None:
            st.button("Sign", key=f"hold-sign-{hold.id}", on_click=_sign, args=(hold.id,))
        if may_act:
            st.button("Lift", key=f"hold-lift-{hold.id}", type="tertiary", on_click=_lift, args=(hold.id,))


def _draw_form(account_id: str) -> None:
    now = get_runtime().clock.now()
    with st.expander("Hold something back", icon=":material/gavel:", key="hold-new"):
        st.html(
            '<p class="sq-facts">It counts at once, and lapses after two days unless another privacy admin signs it. '
            "While anything is held, a deletion of this account waits.</p>"
        )
        st.selectbox(
            "What", [None, *CATEGORIES], key="hold-category", width=320,
            format_func=lambda name: ALL if name is None else category_title(name),
        )  # fmt: skip
        st.text_input("Law", key="hold-law", max_chars=LONGEST_LAW, width=320, placeholder="Code civil Art. 2224")
        st.date_input("Until", value=(now + timedelta(days=365)).date(), key="hold-until", width=170)
        st.text_area("Why it is needed", key="hold-reason", max_chars=LONGEST_REASON, height=80)
        st.button("Hold it back", key="hold-place", on_click=_place, args=(account_id,))


@guarded
def _place(account_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, ROLE)
    until_day = datetime.combine(recall("hold-until"), time.min, UTC)
    law, reason, category = widget_text("hold-law"), widget_text("hold-reason"), recall("hold-category")
    if attempt(
        lambda: place_hold(runtime, session, account_id, law=law, reason=reason, until=until_day, category=category)
    ):
        say("Held back. Another privacy admin signs it within two days.")
        forget_widgets("hold-law", "hold-reason")


@guarded
def _sign(hold_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, ROLE)
    if attempt(lambda: cosign_hold(runtime, session, hold_id)):
        say("Signed: it counts until its day.")


@guarded
def _lift(hold_id: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, ROLE)
    if attempt(lambda: lift_hold(runtime, session, hold_id)):
        say("Lifted. What it kept goes with the next sweep.")
