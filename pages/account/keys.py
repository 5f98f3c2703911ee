"""A person's own model keys: what runs on them costs no credits."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.accounts.commands import delete_own_key, save_own_key
from core.accounts.queries import list_own_keys
from core.bootstrap import get_runtime
from pages.ui.memory import widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded
from pages.ui.words import time_html


def keys_page() -> None:
    """One card a provider: its key's last characters, or a field for one."""
    runtime = get_runtime()
    session = current_session(runtime)
    st.html(
        '<h1 class="sq-title">Model keys</h1><p class="sq-facts">With a key of your own, calls to that provider cost '
        "0 credits here and are billed to you by the provider. Your key is never replaced by the platform's: "
        "without it, such a step fails and says so.</p>"
    )
    draw_notices()
    known = {key.provider: key for key in list_own_keys(runtime, session.account.id)}
    for provider in sorted({*runtime.catalogue.vendors(), *known}):
        with st.container(border=True, key=f"key-{provider}"):
            if provider in known:
                key = known[provider]
                added = time_html(key.created_at, runtime.clock.now())
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.html(
                        f'<div class="sq-row"><span class="sq-id">{escape(provider)}</span>'
                        f'<span class="sq-facts">ends in {escape(key.hint)}, added {added}</span></div>'
                    )
                    st.button(
                        "Delete", key=f"delete-{provider}", icon=":material/delete:", on_click=_delete,
                        args=(provider,), help="Cannot be undone: add the key again to use it.",
                    )  # fmt: skip
            else:
                with st.form(f"add-{provider}", border=False, clear_on_submit=True):
                    st.text_input(f"{provider} key", type="password", key=f"secret-{provider}", autocomplete="off")
                    st.form_submit_button("Save key", on_click=_save, args=(provider,))


@guarded
def _save(provider: str) -> None:
    runtime = get_runtime()
    owner_id, secret = current_session(runtime).account.id, widget_text(f"secret-{provider}")
    if attempt(lambda: save_own_key(runtime, owner_id, provider, secret.strip())):
        say(f"Saved your {provider} key.")


@guarded
def _delete(provider: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: delete_own_key(runtime, owner_id, provider)):
        say(f"Deleted your {provider} key.")
