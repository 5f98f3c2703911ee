"""Legal holds: what of a person is kept although its time is over, under which law, until when, signed by two."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import SessionView
from core.bootstrap import get_runtime
from core.privacy.erasure.held import KeptFor, kept_for, read_held
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
from core.privacy.retention.scope import nameable_tables
from core.privacy.signatures import ROLE
from core.privacy.wording import CATEGORIES, category_title
from core.privacy.words import table_title
from pages.ui.badges import text_badge
from pages.ui.download import download_button
from pages.ui.memory import forget_widgets, recall, widget_text
from pages.ui.notices import attempt, say
from pages.ui.session import guarded, require_role
from pages.ui.words import count, joined, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ALL = "Everything of this person"
WHATS = {"all": "Everything", "category": "A kind of data", "row": "One row"}
COMMON = ("runs", "files", "ledger_transactions", "billing_checkouts", "billing_refunds", "pipelines", "step_runs")
"""What claims are mostly about: first in the list."""


def draw_holds(runtime: Runtime, session: SessionView, account_id: str | None = None) -> None:
    """The holds that count: of one person, whom more can be placed on, or of everybody."""
    may_act = ROLE in session.account.roles and session.is_confirmed(runtime.clock.now())
    with st.container(border=True, key="legal-holds"):
        st.html('<h2 class="sq-id">Legal holds</h2>')
        holds = list_holds(runtime, account_id)
        if not holds:
            st.html('<p class="sq-facts">Nothing is held back: everything goes when its time is over.</p>')
        kept = kept_for(runtime) if holds else {}
        for hold in holds:
            may = may_act and hold.account_id != session.account.id
            _draw_hold(runtime, session, hold, kept.get(hold.id), may)
        if account_id is not None and may_act and account_id != session.account.id:
            _draw_form(account_id)


def _draw_hold(runtime: Runtime, session: SessionView, hold: LegalHold, kept: KeptFor | None, may_act: bool) -> None:
    now = runtime.clock.now()
    what = escape(category_title(hold.category) if hold.category else ALL)
    if hold.table and hold.row_id:
        row = f'<code class="sq-nowrap" title="{escape(hold.row_id)}">…{escape(hold.row_id[-8:])}</code>'
        what = f"{escape(table_title(hold.table))}: {row}"
    signed = text_badge("signed twice", "green") if hold.cosigned_by else text_badge("one signature", "amber")
    ends = "" if hold.cosigned_by else f"lapses {until(hold.placed_at + UNSIGNED, now)} without a second"
    facts = joined(
        escape(hold.law), f"until {hold.until:%Y-%m-%d}", f"placed {time_html(hold.placed_at, now)}", ends,
        f'<code class="sq-nowrap">…{escape(hold.account_id[-8:])}</code>',
    )  # fmt: skip
    left = ""
    if kept is not None:
        stores = joined(*(f"{table_title(name)} {number:,}" for name, number in kept.counts.items()))
        left = (
            f'<p class="sq-facts">The account is deleted. {count(kept.rows, "row")} of it kept, sealed for this hold '
            f"alone: {escape(stores)}</p>"
        )
    with st.container(horizontal=True, vertical_alignment="center", key=f"hold-{hold.id}"):
        st.html(
            f'<div class="sq-row"><b>{what}</b>{signed}<span class="sq-facts">{facts}</span></div>'
            f'<p class="sq-facts">{escape(hold.reason)}</p>{left}'
        )
        if may_act and hold.cosigned_by is None:
            st.button("Sign", key=f"hold-sign-{hold.id}", on_click=_sign, args=(hold.id,))
        if may_act and kept is not None:
            download_button(
                "What it keeps", lambda: read_held(runtime, session, hold.id),
                file_name=f"hold-{hold.id[-8:]}.zip", mime="application/zip", key=f"held-{hold.id}",
            )  # fmt: skip
        if may_act:
            st.button("Lift", key=f"hold-lift-{hold.id}", type="tertiary", on_click=_lift, args=(hold.id,))


def _draw_form(account_id: str) -> None:
    now = get_runtime().clock.now()
    with st.expander("Hold something back", icon=":material/gavel:", key="hold-new"):
        st.html(
            '<p class="sq-facts">It counts at once, and lapses after two days unless another privacy admin signs it. '
            "A deletion of this account goes on meanwhile: what is held is kept by itself, sealed, and deleted when "
            "the hold ends.</p>"
        )
        what = st.radio("What", list(WHATS), key="hold-what", format_func=WHATS.get, horizontal=True)
        if what == "category":
            st.selectbox("Kind of data", list(CATEGORIES), key="hold-category", width=320, format_func=category_title)
        elif what == "row":
            with st.container(horizontal=True, vertical_alignment="bottom"):
                st.selectbox("Of", _kinds(), key="hold-table", width=220, format_func=table_title)
                st.text_input(
                    "Its id", key="hold-row", max_chars=80, width=360, autocomplete="off",
                    placeholder="0190f3c2-…",
                    help="As it stands in the address of its page, in a copy of the data, or in a statement. What "
                    "hangs on it is held with it: of a run its steps, events and deliveries; of a file its content.",
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
    law, reason, what = widget_text("hold-law"), widget_text("hold-reason"), recall("hold-what")
    category = recall("hold-category") if what == "category" else None
    row = (recall("hold-table"), widget_text("hold-row")) if what == "row" else None
    if attempt(
        lambda: place_hold(
            runtime, session, account_id, law=law, reason=reason, until=until_day, category=category, row=row
        )
    ):
        say("Held back. Another privacy admin signs it within two days.")
        forget_widgets("hold-law", "hold-reason", "hold-row")


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
        say("Lifted. What it alone kept goes: of a deleted account within minutes, else with the next sweep.")


def _kinds() -> list[str]:
    """Tables that a row can be held of, what claims are mostly about first."""
    known = nameable_tables()
    return [*(name for name in COMMON if name in known), *sorted(set(known) - set(COMMON), key=table_title)]
