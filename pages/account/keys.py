"""A person's own model keys: what runs on them costs no credits."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.accounts.commands import delete_own_key, save_own_key
from core.accounts.domain import OwnKeyView
from core.accounts.queries import list_own_keys
from core.bootstrap import get_runtime
from core.providers.domain import ANTHROPIC
from pages.ui.badges import text_badge
from pages.ui.memory import widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.provider_terms import terms_html, where
from pages.ui.session import current_session, guarded
from pages.ui.words import time_html, vendor


def keys_page() -> None:
    """One card a provider: its key's last characters, or a field for one."""
    runtime = get_runtime()
    session = current_session(runtime)
    st.html(
        '<h1 class="sq-title">Model keys</h1><p class="sq-facts sq-intro">With a key of your own, calls to that '
        "provider cost 0 credits here and are billed to you by the provider. Your key is never replaced by the "
        "platform's while a run goes on. Whose key comes first, you choose under "
        '<a class="sq-link" href="/app/preferences" target="_self">Preferences</a>.</p>'
    )
    draw_notices()
    known = {key.provider: key for key in list_own_keys(runtime, session.account.id)}
    for provider in sorted({*runtime.catalogue.vendors(), *known}):
        with st.container(border=True, key=f"key-{provider}"):
            _draw_provider(provider, known.get(provider))


def _draw_provider(provider: str, key: OwnKeyView | None) -> None:
    """What is known of a provider's use of data, and the key or a field for one."""
    runtime, name = get_runtime(), vendor(provider)
    known = runtime.catalogue.provider_terms(provider)
    terms = ""
    if known is not None and not (key and key.host):  # a gateway has terms of its own
        terms = (
            f'<p class="sq-facts">Works in {escape(where(known))}. {escape(known.terms.training)}</p>'
            f'<details class="sq-more"><summary>What it does with data</summary>{terms_html(known)}</details>'
        )
    if key is None:
        st.html(f'<h2 class="sq-id">{escape(name)}</h2>{terms}')
        with st.form(f"add-{provider}", border=False, clear_on_submit=True):
            with st.container(horizontal=True, vertical_alignment="bottom"):
                st.text_input(f"{name} key", type="password", key=f"secret-{provider}", autocomplete="off")
                st.form_submit_button("Save key", on_click=_save, args=(provider,))
            with st.expander("Address (only for a gateway of your own)"):
                st.text_input(
                    f"Address for the {name} key", key=f"address-{provider}", autocomplete="off",
                    placeholder="https://gateway.example.org" + ("" if provider == ANTHROPIC else "/v1"),
                    help=f"The base URL of a gateway or proxy that speaks as {name} does. The key is then sent there "
                    "and nowhere else. Leave it empty for the provider itself.",
                )  # fmt: skip
        return
    added = time_html(key.created_at, runtime.clock.now())
    host = f", sent to {escape(key.host)}" if key.host else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f'<div class="sq-row"><h2 class="sq-id">{escape(name)}</h2>{text_badge("your key", "green")}'
            f'<span class="sq-facts">ends in {escape(key.hint)}{host}, added {added}</span></div>{terms}'
        )
        st.button(
            "Delete", key=f"delete-{provider}", icon=":material/delete:", on_click=_delete,
            args=(provider,), help="Cannot be undone: add the key again to use it.",
        )  # fmt: skip


@guarded
def _save(provider: str) -> None:
    runtime = get_runtime()
    owner_id, secret = current_session(runtime).account.id, widget_text(f"secret-{provider}")
    address = widget_text(f"address-{provider}")
    if attempt(lambda: save_own_key(runtime, owner_id, provider, secret.strip(), address)):
        say(f"Saved your {vendor(provider)} key.")


@guarded
def _delete(provider: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: delete_own_key(runtime, owner_id, provider)):
        say(f"Deleted your {vendor(provider)} key.")
