"""Credits: what is left, what is held, what was spent, and on which runs."""

from __future__ import annotations

import streamlit as st

from core.bootstrap import get_runtime
from core.credits.queries import balance
from core.execution.queries import list_runs
from core.shared.money import format_credits
from pages.ui.run_table import run_table
from pages.ui.session import current_session

RECENT = 20


def usage_page() -> None:
    """Four figures and the recent runs."""
    runtime = get_runtime()
    session = current_session(runtime)
    credits = balance(runtime, session.account)
    st.html(f'<h1 class="sq-title">Usage</h1><p class="sq-facts">{session.account.plan.capitalize()} plan</p>')
    with st.container(key="figures"):
        left, held, spent, granted = st.columns(4)
    left.metric("Left", "Unlimited" if credits.unlimited else format_credits(credits.available_micros), border=True)
    held.metric("Held by runs", format_credits(credits.held_micros), border=True)
    spent.metric("Spent", format_credits(credits.spent_micros), border=True)
    granted.metric("Granted", "Unlimited" if credits.unlimited else format_credits(credits.granted_micros), border=True)
    runs = list_runs(runtime, session.account.id, limit=RECENT).items
    st.html('<h2 class="sq-id">Recent runs</h2>')
    if runs:
        st.html(run_table(runs, runtime.clock.now()))
    else:
        st.html('<div class="sq-blank"><b>Nothing has run yet.</b> Runs on the demo model cost nothing.</div>')
