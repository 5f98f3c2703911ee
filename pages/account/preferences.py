"""What a person may choose about how the app behaves for them."""

from __future__ import annotations

import streamlit as st

from core.accounts.domain import CONFIRM_LIMIT_MAX
from core.accounts.profile import update_profile
from core.bootstrap import get_runtime
from core.shared.money import credits_number, format_credits, micros_from_credits
from pages.ui.memory import widget_number
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded

_LIMIT = "preferences-limit"


def preferences_page() -> None:
    """The confirm limit."""
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


@guarded
def _save() -> None:
    runtime = get_runtime()
    owner_id, credits = current_session(runtime).account.id, widget_number(_LIMIT)
    if attempt(lambda: update_profile(runtime, owner_id, confirm_above_credits=credits)):
        say(f"Saved: runs above {format_credits(micros_from_credits(str(credits)))} ask first.")
