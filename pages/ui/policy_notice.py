"""A quiet banner about a policy that is to come: what changes is one click away, and it can be put away."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import Account
from core.bootstrap import get_runtime
from core.privacy.policies.notices import note_shown, policy_path, put_away, versions_to_show
from pages.ui.notices import attempt
from pages.ui.session import current_session, guarded

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

NAMES = {"privacy": "The privacy policy changes", "terms": "The terms of use change"}


def draw_policy_notice(runtime: Runtime, account: Account) -> None:
    """On every page, until it is put away or the version counts. That it was shown is recorded."""
    for version in versions_to_show(runtime, account.created_at):
        if not note_shown(runtime, account.id, version):
            continue
        day = f"{version.effective_at.day} {version.effective_at:%B %Y}"
        path = policy_path(version)
        with st.container(
            key=f"policy-banner-{version.document}", border=True, horizontal=True, vertical_alignment="center"
        ):
            st.html(
                f'<div class="sq-facts"><b>{NAMES[version.document]} on {day}.</b> {escape(version.summary)} '
                f'<a class="sq-link" href="{path}/changes" target="_blank">See what changes</a></div>'
            )
            st.button(
                "Got it",
                key=f"policy-put-away-{version.document}",
                type="tertiary",
                on_click=_put_away,
                args=(version.id,),
            )


@guarded
def _put_away(version_id: str) -> None:
    runtime = get_runtime()
    account_id = current_session(runtime).account.id
    attempt(lambda: put_away(runtime, account_id, version_id))
