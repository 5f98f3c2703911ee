"""Pausing everything that starts runs without a person: the button, its question, and the banner while it is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.automation import automation_paused_at, pause_automation, resume_automation
from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.bootstrap import get_runtime
from core.execution.automation import count_automatic_runs, stop_automatic_runs
from pages.ui.memory import ask_dialog
from pages.ui.notices import attempt, say
from pages.ui.session import current_session, guarded
from pages.ui.words import count, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

DIALOG = "pause-automation"
_STOP = "pause-stop-runs"


def draw_banner(runtime: Runtime, account: Account) -> None:
    """On every page while automation is paused: since when, and the way back."""
    since = automation_paused_at(runtime, account.id)
    if since is None:
        return
    with st.container(key="paused-banner", horizontal=True, vertical_alignment="center", border=True):
        st.html(
            f'<div class="sq-facts"><b>Automation is paused</b> ({time_html(since, runtime.clock.now())}): no '
            "schedule, API key or webhook starts a run. What you start yourself still runs.</div>"
        )
        st.button("Resume", key="automation-resume", icon=":material/play_arrow:", on_click=_resume)


def draw_title(runtime: Runtime, account: Account, html: str) -> None:
    """A page's title, with the switch beside it for those who have automation and did not pause it."""
    with st.container(horizontal=True, vertical_alignment="center", key="automation-title"):
        st.html(html)
        if PLANS[account.plan].automation and automation_paused_at(runtime, account.id) is None:
            st.button("Pause everything", key="automation-pause", icon=":material/pause:", on_click=_ask)


@st.dialog("Pause everything?", icon=":material/pause:")
def pause_dialog() -> None:
    """What happens, and what becomes of the runs under way."""
    runtime = get_runtime()
    under_way = count_automatic_runs(runtime, current_session(runtime).account.id)
    st.html(
        "<p>No schedule, API key or webhook starts a run until you resume; programs that try are told why. "
        "Times that schedules miss meanwhile are left out or made up for, as each of them says.</p>"
    )
    if under_way:
        st.checkbox(f"Also stop the {count(under_way, 'run')} under way that automation started", key=_STOP)
    with st.container(horizontal=True):
        if st.button("Pause everything", type="primary", key="automation-pause-now", on_click=_pause):
            st.rerun()
        if st.button("Not now", key="automation-pause-no"):
            st.rerun()


@guarded
def _ask() -> None:
    ask_dialog(DIALOG)


@guarded
def _pause() -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    stop = bool(st.session_state.get(_STOP))
    stopped: list[int] = []

    def pause() -> None:
        pause_automation(runtime, owner_id)
        stopped.append(stop_automatic_runs(runtime, owner_id) if stop else 0)

    if attempt(pause):
        say(f"Paused. {count(stopped[0], 'run')} stopped." if stopped[0] else "Paused.")


@guarded
def _resume() -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: resume_automation(runtime, owner_id)):
        say("Automation goes on.")
