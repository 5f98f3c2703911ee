"""Who a person is here, how they sign in, and where they are signed in."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.devices import device_words
from core.accounts.domain import LANGUAGES, SessionInfo, SessionView
from core.accounts.profile import update_profile
from core.accounts.queries import list_sessions
from core.accounts.sessions import end_session, sign_out_everywhere
from core.bootstrap import get_runtime
from core.privacy.domain import PrivacyRequestView
from core.privacy.queries import open_erasure
from pages.ui.badges import text_badge
from pages.ui.memory import widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded
from pages.ui.words import joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

SPOKEN = {"en": "English", "fr": "Français"}
NAME, LANGUAGE = "profile-name", "profile-language"


def profile_page() -> None:
    """Four cards: about you, signing in, where you are signed in, leaving."""
    runtime = get_runtime()
    session = current_session(runtime)
    st.html('<h1 class="sq-title">Profile</h1>')
    draw_notices()
    _draw_about(session)
    _draw_signing(runtime, session)
    _draw_sessions(runtime, session)
    asked = open_erasure(runtime, session.account.id)
    _draw_leaving(runtime, asked)


def _draw_about(session: SessionView) -> None:
    account = session.account
    with st.form("profile-form", border=True):
        st.html('<h2 class="sq-id">About you</h2>')
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Name", value=account.name, key=NAME, width=320, max_chars=200, autocomplete="name")
            st.selectbox(
                "Language of mails", LANGUAGES, index=LANGUAGES.index(account.language), key=LANGUAGE, width=180,
                format_func=SPOKEN.__getitem__,
            )  # fmt: skip
            st.form_submit_button("Save", type="primary", on_click=_save)


def _draw_signing(runtime: Runtime, session: SessionView) -> None:
    account, now = session.account, runtime.clock.now()
    changed = account.password_changed_at
    said = f"changed {time_html(changed, now)}" if changed else "as you first chose it"
    factor = "on: signing in asks for a code too" if account.has_second_factor else "off"
    with st.container(border=True, key="profile-signing"):
        rows = (
            ("Address", escape(account.email), "/auth/address", "Change"),
            ("Password", said, "/auth/password", "Change"),
            ("Second factor", factor, "/auth/second-factor", "Manage" if account.has_second_factor else "Set up"),
        )
        lines = "".join(
            f"<dt>{label}</dt><dd>{value}</dd><dd>"
            f'<a class="sq-link" href="{path}" target="_self" aria-label="{act}: {label.lower()}">{act}</a></dd>'
            for label, value, path, act in rows
        )
        st.html(f'<h2 class="sq-id">Signing in</h2><dl class="sq-settings">{lines}</dl>')


def _draw_sessions(runtime: Runtime, session: SessionView) -> None:
    sessions = list_sessions(runtime, session.account.id, session.id)
    with st.container(border=True, key="profile-sessions"):
        st.html(
            '<h2 class="sq-id">Where you are signed in</h2><p class="sq-facts">The device is what the browser or '
            "program says it is. A sign-in ends 14 days after it began.</p>"
        )
        for view in sessions:
            _draw_session(runtime, view)
        if len(sessions) > 1:
            st.button("Sign out everywhere else", key="sign-out-others", icon=":material/logout:", on_click=_end_others)


def _draw_session(runtime: Runtime, view: SessionInfo) -> None:
    now = runtime.clock.now()
    here = text_badge("this one", "green") if view.is_current else ""
    facts = joined(f"signed in {time_html(view.created_at, now)}", f"used {time_html(view.last_used_at, now)}")
    with st.container(horizontal=True, vertical_alignment="center", key=f"session-{view.id}"):
        st.html(
            f'<div class="sq-row"><span title="{escape(view.device)}">{escape(device_words(view.device))}</span>'
            f'{here}<span class="sq-facts">{facts}</span></div>'
        )
        if not view.is_current:
            st.button("Sign out", key=f"end-{view.id}", type="tertiary", on_click=_end, args=(view.id,))


def _draw_leaving(runtime: Runtime, asked: PrivacyRequestView | None) -> None:
    with st.container(border=True, key="profile-leaving"):
        said = (
            f"You asked for it {time_html(asked.received_at, runtime.clock.now())}. Where it stands, and how to take "
            "it back, is said there."
            if asked is not None
            else "Your pipelines, runs, files, secrets and keys go with it, for good."
        )
        st.html(
            f'<h2 class="sq-id">Your data, and leaving</h2><p class="sq-facts">What we hold about you, a copy of it, '
            f"corrections, and the deletion of your account are under My data. {said}</p>"
            '<p><a class="sq-link" href="/app/my-data" target="_self">Open My data</a></p>'
        )


@guarded
def _save() -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    name, language = widget_text(NAME), widget_text(LANGUAGE)
    if attempt(lambda: update_profile(runtime, owner_id, name=name, language=language)):
        say("Saved.")


@guarded
def _end(session_id: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: end_session(runtime, owner_id, session_id)):
        say("Signed out there.")


@guarded
def _end_others() -> None:
    runtime = get_runtime()
    session = current_session(runtime)
    if attempt(lambda: sign_out_everywhere(runtime, session.account.id, keep=session.id)):
        say("Signed out everywhere else.")
