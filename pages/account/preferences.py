"""What a person may choose about how the app behaves for them."""

from __future__ import annotations

import streamlit as st

from core.accounts.domain import CONFIRM_LIMIT_MAX, FUNDINGS, SCREENINGS, Account
from core.accounts.profile import update_profile
from core.bootstrap import get_runtime
from core.shared.money import credits_number, format_credits, micros_from_credits
from pages.ui.consent import draw_choices
from pages.ui.memory import widget_number, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.personal_data import LIMITS
from pages.ui.personal_data import SAYS as SCREENING_SAYS
from pages.ui.session import current_session, guarded

_LIMIT = "preferences-limit"
_FUNDING = "preferences-funding-choice"
_SCREENING = "preferences-screening-choice"
SAYS = {
    "own_first": ("My own key first", "Yours where you saved one for a provider, the platform’s for the others."),
    "platform_first": ("The platform’s key first", "The platform’s where it has one, yours for the others."),
    "own_only": ("Only my own keys", "Never the platform’s: without a key of yours a step fails and says so."),
}


def preferences_page() -> None:
    """The confirm limit, personal data, whose keys, and what was consented to."""
    session = current_session(get_runtime())
    st.html('<h1 class="sq-title">Preferences</h1>')
    draw_notices()
    with st.container(border=True, key="preferences-cost"):
        st.html(
            '<h2 class="sq-id">Ask before costly runs</h2><p class="sq-facts">A run whose highest quoted cost is above '
            "this asks first; below it, the button starts at once. 0 asks before every run that may cost anything. "
            "Runs on the demo model or on your own keys cost no credits, and never ask.</p>"
        )
        st.number_input(
            "Ask above (credits)",
            min_value=0.0,
            max_value=float(CONFIRM_LIMIT_MAX),
            value=float(credits_number(session.account.confirm_above_micros)),
            step=5.0,
            format="%g",
            key=_LIMIT,
            width=260,
            on_change=_save,
        )
    _draw_screening(session.account)
    _draw_funding(session.account)
    draw_choices(get_runtime(), session.account)


def _draw_screening(account: Account) -> None:
    with st.container(border=True, key="preferences-screening"):
        st.html(
            '<h2 class="sq-id">Personal data in what models are sent</h2><p class="sq-facts">Holds for every pipeline '
            f"that does not choose otherwise in its settings, from the next run on. {LIMITS}</p>"
        )
        st.radio(
            "Personal data in what models are sent",
            SCREENINGS,
            index=SCREENINGS.index(account.personal_data),
            key=_SCREENING,
            format_func=lambda choice: SCREENING_SAYS[choice][0],
            captions=[SCREENING_SAYS[choice][1] for choice in SCREENINGS],
            label_visibility="collapsed",
            on_change=_save_screening,
        )


def _draw_funding(account: Account) -> None:
    with st.container(border=True, key="preferences-funding"):
        st.html(
            '<h2 class="sq-id">Whose model keys runs use</h2><p class="sq-facts">On your own key a step costs no '
            "credits here, and the provider bills you. On the platform’s key it costs credits. The choice holds for "
            "runs from now on; each run says which it used, and none changes from one to the other under way.</p>"
        )
        st.radio(
            "Whose model keys runs use",
            FUNDINGS,
            index=FUNDINGS.index(account.funding),
            key=_FUNDING,
            format_func=lambda choice: SAYS[choice][0],
            captions=[SAYS[choice][1] for choice in FUNDINGS],
            label_visibility="collapsed",
            on_change=_save_funding,
        )


@guarded
def _save_screening() -> None:
    runtime = get_runtime()
    owner_id, choice = current_session(runtime).account.id, widget_text(_SCREENING)
    if attempt(lambda: update_profile(runtime, owner_id, personal_data=choice)):
        say(f"Saved: {SCREENING_SAYS[choice][0].lower()}.")


@guarded
def _save_funding() -> None:
    runtime = get_runtime()
    owner_id, choice = current_session(runtime).account.id, widget_text(_FUNDING)
    if attempt(lambda: update_profile(runtime, owner_id, funding=choice)):
        say(f"Saved: {SAYS[choice][0].lower()}.")


@guarded
def _save() -> None:
    runtime = get_runtime()
    owner_id, credits = current_session(runtime).account.id, widget_number(_LIMIT)
    if attempt(lambda: update_profile(runtime, owner_id, confirm_above_credits=credits)):
        say(f"Saved: runs above {format_credits(micros_from_credits(str(credits)))} ask first.")
