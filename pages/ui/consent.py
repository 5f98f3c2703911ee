"""Consent in the app: the banner that asks once, and the switches under Preferences."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.consent_rules import PURPOSES, ConsentState, Purpose, Source, current_text
from core.accounts.consents import ANALYTICS, choose, consent_states, list_choices, uses_device_analytics
from core.accounts.domain import Account
from core.bootstrap import get_runtime
from pages.ui.memory import forget_widgets, recall
from pages.ui.notices import attempt, say
from pages.ui.session import current_session, guarded
from pages.ui.words import exact, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

WHERE = {"banner": "in the banner", "preferences": "under Preferences", "api": "through the API", "signal": "by signal"}


def draw_consent_banner(runtime: Runtime, account: Account) -> None:
    """On every page while measuring wants a choice and there is none: both answers are alike and one click away."""
    if not uses_device_analytics(runtime) or _sends_signal():
        return
    if consent_states(runtime, account.id)[ANALYTICS].stand != "open":
        return
    text = current_text(ANALYTICS)
    with st.container(key="consent-banner", border=True):
        st.html(f'<div class="sq-facts"><b>{escape(text.title)}.</b> {escape(text.text)}</div>')
        with st.container(horizontal=True):
            st.button("No", key="consent-no", width=110, on_click=_choose, args=(ANALYTICS, False, "banner"))
            st.button("Yes", key="consent-yes", width=110, on_click=_choose, args=(ANALYTICS, True, "banner"))


def draw_choices(runtime: Runtime, account: Account) -> None:
    """One switch a purpose, with since when and on which text; every earlier choice below."""
    states = consent_states(runtime, account.id)
    with st.container(border=True, key="preferences-choices"):
        st.html(
            '<h2 class="sq-id">My choices</h2><p class="sq-facts">Both are off until you switch them on, and a choice '
            "counts for six months. Nothing else here depends on them.</p>"
        )
        for purpose in PURPOSES:
            _draw_choice(runtime, states[purpose])
        _draw_history(runtime, account)


def _draw_choice(runtime: Runtime, state: ConsentState) -> None:
    text = current_text(state.purpose)
    signal = state.purpose == ANALYTICS and _sends_signal()
    key = f"choice-{state.purpose}"
    with st.container(key=f"choice-box-{state.purpose}"):
        st.toggle(
            text.title, value=state.is_granted and not signal, key=key, disabled=signal,
            on_change=_switch, args=(state.purpose, key),
        )  # fmt: skip
        unused = state.purpose == ANALYTICS and not uses_device_analytics(runtime)
        note = " Nothing here uses it at present." if unused else ""
        st.html(
            f'<div class="sq-facts">{escape(text.text)}{note}<br>{_since(runtime, state, signal)}</div>'
        )  # fmt: skip


def _since(runtime: Runtime, state: ConsentState, signal: bool) -> str:
    if signal:
        return "<b>No</b>: your browser sends the signal Global Privacy Control."
    choice = state.choice
    if choice is None:
        return "You were not asked yet, so it is off."
    when = f"{time_html(choice.chosen_at, runtime.clock.now())}, to the text of {choice.text_version}"
    if state.stand == "open":
        return f"Your {'yes' if choice.granted else 'no'} of {choice.chosen_at:%Y-%m-%d} is over, so it is off."
    if choice.source == "signal":
        return f"<b>No</b>, by your browser’s signal Global Privacy Control, {when}."
    word = "Yes" if choice.granted else "No"
    return f"<b>{word}</b>, {WHERE[choice.source]}, {when}. Counts until {choice.until:%Y-%m-%d}."


def _draw_history(runtime: Runtime, account: Account) -> None:
    choices = list_choices(runtime, account.id)
    if not choices:
        return
    rows = "".join(
        f"<tr><td>{escape(exact(each.chosen_at))}</td><td>{escape(current_text(each.purpose).title)}</td>"
        f"<td>{'yes' if each.granted else 'no'}</td><td>{WHERE[each.source]}</td><td>{each.text_version}</td></tr>"
        for each in choices
    )
    with st.expander("Every choice so far"):
        st.html(
            '<div class="sq-scroll"><table class="sq-table sq-slim"><thead><tr><th>When</th><th>What for</th>'
            f"<th>Choice</th><th>Where</th><th>Text of</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )


def _sends_signal() -> bool:
    return st.context.headers.get("Sec-Gpc", "").strip() == "1"


@guarded
def _switch(purpose: Purpose, key: str) -> None:
    _record(purpose, bool(recall(key)), "preferences")
    forget_widgets(key)


@guarded
def _choose(purpose: Purpose, granted: bool, source: Source) -> None:
    _record(purpose, granted, source)


def _record(purpose: Purpose, granted: bool, source: Source) -> None:
    runtime = get_runtime()
    account_id, signal = current_session(runtime).account.id, _sends_signal()
    if attempt(lambda: choose(runtime, account_id, {purpose: granted}, source=source, signal=signal)):
        say("Saved: yes, until you take it back." if granted else "Saved: no.")
