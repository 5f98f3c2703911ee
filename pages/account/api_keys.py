"""A person's API keys: what programs bring to the API and to webhooks."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.api_keys import create_api_key, delete_api_key, list_api_keys
from core.accounts.automation import set_key_cap
from core.accounts.domain import SCOPES, ApiKeyView
from core.accounts.plans import check_automation
from core.bootstrap import get_runtime
from core.execution.caps import taken_this_month
from core.pipelines.queries import list_pipelines
from core.shared.errors import Forbidden
from pages.ui.automation import DIALOG, draw_title, pause_dialog
from pages.ui.caps import cap_meter, draw_cap_change, draw_cap_field, typed_cap
from pages.ui.confirm import confirm_delete
from pages.ui.memory import ask_dialog, take_dialog, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded
from pages.ui.words import joined, time_html, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

NEW = "api-key-new"
SAYS = {
    "pipelines:read": "Read pipelines, runs and files",
    "pipelines:write": "Make, change and archive pipelines",
    "pipelines:execute": "Start, stop and review runs; upload files",
    "webhooks:trigger": "Start runs by webhook",
}
LIVES = {"No end": None, "30 days": 30, "90 days": 90, "A year": 365}


def api_keys_page() -> None:
    """The key that was made just now, a form for one more, and a row a key."""
    runtime = get_runtime()
    account = current_session(runtime).account
    title = (
        '<h1 class="sq-title">API keys</h1><p class="sq-facts sq-intro">For programs that call the API, and for '
        "webhooks. A key does what you allow it, never what concerns your account, your secrets or other keys. "
        'How to call: <a class="sq-link" href="/api/openapi.json" target="_blank">the API</a>.</p>'
    )
    draw_title(runtime, account, title)
    draw_notices()
    try:
        check_automation(account.plan)
    except Forbidden as refusal:
        st.html(f'<div class="sq-empty">{escape(refusal.message)}</div>')
        return
    _draw_new_key()
    _draw_form()
    keys = list_api_keys(runtime, account.id)
    if not keys:
        st.html(
            '<div class="sq-empty">No keys yet. Make one, then send it as <code class="sq-ref">X-API-Key</code> with '
            "each request.</div>"
        )
    taken = taken_this_month(runtime, account.id)
    for key in keys:
        _draw_key(runtime, key, taken.get(key.id, 0))
    _draw_calls(runtime, account.id)
    dialog, details = take_dialog()
    if dialog == "delete-api-key":
        _confirm_delete(**details)
    elif dialog == DIALOG:
        pause_dialog()


def _draw_new_key() -> None:
    made = st.session_state.get(NEW)
    if made is None:
        return
    with st.container(border=True, key="api-key-shown"):
        st.html('<div class="sq-facts">Your new key. Copy it now: it is not shown again, and kept nowhere.</div>')
        st.code(made, language=None, wrap_lines=True)
        st.button("I have copied it", key="api-key-copied", type="primary", on_click=_forget_new)


def _draw_form() -> None:
    with st.form("api-key-form", border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Name", key="api-key-name", width=260, placeholder="Nightly import", autocomplete="off")
            st.selectbox("Ends after", list(LIVES), index=2, key="api-key-life", width=160)
            draw_cap_field("api-key-cap")
        st.pills(
            "May do", SCOPES, selection_mode="multi", default=["pipelines:read", "pipelines:execute"],
            key="api-key-scopes", format_func=SAYS.__getitem__,
        )  # fmt: skip
        st.form_submit_button("Make key", type="primary", on_click=_make)


def _draw_key(runtime: Runtime, key: ApiKeyView, taken: int) -> None:
    now = runtime.clock.now()
    over = key.expires_at is not None and key.expires_at <= now
    ends = "no end" if key.expires_at is None else f"ends {until(key.expires_at, now)}"
    if over and key.expires_at is not None:
        ends = f"ended {time_html(key.expires_at, now)}"
    used = f"used {time_html(key.last_used_at, now)}" if key.last_used_at else "not used yet"
    may = ", ".join(SAYS[scope].lower() for scope in key.scopes if scope in SAYS)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"api-key-row-{key.id}"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">{escape(key.name)}</span>'
            f'<code class="sq-ref">{escape(key.prefix)}…</code>'
            f'<span class="sq-facts">{joined(f"made {time_html(key.created_at, now)}", used, ends)}</span></div>'
            f'<div class="sq-facts">May {escape(may)}.</div>{cap_meter(taken, key.max_micros_per_month)}'
        )
        draw_cap_change(f"api-key-cap-{key.id}", key.max_micros_per_month, partial(_set_cap, key.id))
        st.button(
            "Delete", key=f"delete-{key.id}", icon=":material/delete:", on_click=_ask_delete, args=(key.id, key.name)
        )


def _draw_calls(runtime: Runtime, owner_id: str) -> None:
    """Lines that can be pasted into a terminal, for the newest pipeline."""
    newest = next(iter(list_pipelines(runtime, owner_id, 1, None).items), None)
    if newest is None:
        return
    url = runtime.settings.public_url
    with st.expander(f"Call {newest.name} from a terminal", icon=":material/terminal:"):
        for words, path in (
            ("Start a run", f"pipelines/{newest.id}/run"),
            ("The same as a webhook", f"webhooks/{newest.id}"),
        ):
            st.caption(words)
            st.code(
                f"curl -X POST {url}/api/{path} \\\n  -H 'X-API-Key: sk_live_…' -H 'Content-Type: application/json' "
                "\\\n  -d '{\"input_data\": {}}'",
                language="bash",
            )


def _confirm_delete(key_id: str, label: str) -> None:
    confirm_delete(
        "Delete this key?",
        f"<p>Programs that use <b>{escape(label)}</b> are refused from now on. This cannot be undone.</p>",
        "Delete key", key="api-key-delete", keep="api-key-keep", delete=lambda: _delete(key_id, label),
    )  # fmt: skip


def _forget_new() -> None:
    st.session_state.pop(NEW, None)


@guarded
def _make() -> None:
    runtime = get_runtime()
    account = current_session(runtime).account
    days = LIVES[str(st.session_state["api-key-life"])]
    expires_at = None if days is None else runtime.clock.now() + timedelta(days=days)
    scopes = list(st.session_state["api-key-scopes"] or ())

    def make() -> None:
        made = create_api_key(
            runtime, account, widget_text("api-key-name"), scopes, expires_at=expires_at,
            max_micros_per_month=typed_cap("api-key-cap"),
        )  # fmt: skip
        st.session_state[NEW] = made.key

    if attempt(make):
        st.session_state["api-key-name"], st.session_state["api-key-cap"] = "", None


@guarded
def _set_cap(key_id: str, field: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: set_key_cap(runtime, owner_id, key_id, typed_cap(field))):
        say("Saved the cap.")


@guarded
def _ask_delete(key_id: str, name: str) -> None:
    ask_dialog("delete-api-key", key_id=key_id, label=name)


@guarded
def _delete(key_id: str, name: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: delete_api_key(runtime, owner_id, key_id)):
        st.session_state.pop(NEW, None)
        say(f"Deleted {name}.")
