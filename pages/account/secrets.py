"""A person's secrets: values that steps use by name and that nobody sees again, for all pipelines or for one."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.commands import delete_secret, set_secret
from core.accounts.domain import SecretView
from core.accounts.queries import list_secrets
from core.bootstrap import get_runtime
from core.pipelines.queries import get_pipeline, list_pipelines
from pages.ui.address import go
from pages.ui.confirm import confirm_delete
from pages.ui.memory import ask_dialog, keep, take_dialog, widget_text
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import current_session, guarded
from pages.ui.words import joined, time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ALL = ""
"""The scope of all pipelines, as an option and in the address."""


def secrets_page() -> None:
    """The scope, a form for one more, and a row a secret."""
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    st.html(
        '<h1 class="sq-title">Secrets</h1><p class="sq-facts">API keys, tokens and passwords that steps need. Write '
        f"{_reference('NAME')} where the value belongs: it is put in when the step runs, and masked wherever it "
        "would show. Once saved, a value is never shown again, not even to you.</p>"
    )
    draw_notices()
    scope = _draw_scope(runtime, owner_id)
    secrets = list_secrets(runtime, owner_id, pipeline_id=scope or None)
    _draw_form(scope)
    if not secrets:
        where = "for this pipeline alone" if scope else "yet"
        st.html(
            f'<div class="sq-empty">No secrets {where}. Save one as <b>WEATHER_KEY</b>, say, then write '
            f"{_reference('WEATHER_KEY')} in the header or body of a step.</div>"
        )
    for secret in secrets:
        _draw_secret(runtime, secret, scope)
    if scope:
        _draw_shared(list_secrets(runtime, owner_id), {secret.name for secret in secrets})
    dialog, details = take_dialog()
    if dialog == "delete-secret":
        _confirm_delete(**details)


def _draw_scope(runtime: Runtime, owner_id: str) -> str:
    names = _pipeline_names(runtime, owner_id)
    asked = st.query_params.get("pipeline", ALL)
    scope = asked if asked in names else ALL
    keep("secrets-scope", scope)  # the address decides, so that the way back works
    st.selectbox(
        "Secrets of",
        [ALL, *names],
        key="secrets-scope",
        width=340,
        format_func=lambda option: names.get(option, "All pipelines"),
        help="A pipeline's own secret comes before one of the same name for all pipelines.",
        on_change=_choose_scope,
    )
    return scope


def _pipeline_names(runtime: Runtime, owner_id: str) -> dict[str, str]:
    names: dict[str, str] = {}
    cursor: str | None = None
    while True:
        page = list_pipelines(runtime, owner_id, 100, cursor)
        names |= {pipeline.id: pipeline.name for pipeline in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return names


def _draw_form(scope: str) -> None:
    with st.form("secret-new", border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Name", key="secret-name", width=240, placeholder="WEATHER_KEY", autocomplete="off")
        st.text_input(
            "Value", type="password", key="secret-value", width=320, autocomplete="new-password",
            help="One line. A value with line breaks is saved over the API.",
        )  # fmt: skip
        st.form_submit_button("Save secret", type="primary", on_click=_save_new, args=(scope,))


def _draw_secret(runtime: Runtime, secret: SecretView, scope: str) -> None:
    now = runtime.clock.now()
    changed = secret.updated_at != secret.created_at
    saved = f"{'replaced' if changed else 'saved'} {time_html(secret.updated_at, now)}"
    used = f"used {time_html(secret.last_used_at, now)}" if secret.last_used_at else "not used yet"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"secret-row-{secret.name}"):
        st.html(
            f'<div class="sq-row"><span class="sq-id">{escape(secret.name)}</span>{_reference(secret.name)}'
            f'<span class="sq-facts">{joined(saved, used)}</span></div>'
        )
        with st.popover("Replace", icon=":material/edit:", key=f"replace-{secret.name}"):
            field = f"secret-value-{scope}-{secret.name}"
            st.text_input(f"New value of {secret.name}", type="password", key=field, autocomplete="new-password")
            st.button(
                "Replace value", type="primary", key=f"replace-go-{secret.name}", on_click=_save,
                args=(scope, secret.name, field), help="Runs that start from now on use the new value.",
            )  # fmt: skip
        st.button(
            "Delete", key=f"delete-{secret.name}", icon=":material/delete:", on_click=_ask_delete,
            args=(scope, secret.name),
        )  # fmt: skip


def _draw_shared(shared: tuple[SecretView, ...], own: set[str]) -> None:
    rest = [secret.name for secret in shared if secret.name not in own]
    if rest:
        names = " ".join(map(_reference, rest))
        st.html(f'<div class="sq-facts">Also here, from all pipelines: {names}</div>')


def _confirm_delete(scope: str, secret: str) -> None:
    name = f"<b>{escape(secret)}</b>"
    if scope:
        then = f"Runs use {name} of all pipelines where there is one, and are refused where there is none."
    else:
        then = f"Runs that need {name} are refused until it is saved again."
    confirm_delete(
        "Delete this secret?",
        f"<p>{then}</p><p>This cannot be undone: the value is kept nowhere else.</p>",
        f"Delete {secret}", key="secret-delete", keep="secret-keep", delete=lambda: _delete(scope, secret),
    )  # fmt: skip


def _reference(name: str) -> str:
    return f'<code class="sq-ref">{{{{env.{escape(name)}}}}}</code>'


@guarded
def _choose_scope() -> None:
    chosen = widget_text("secrets-scope")
    go({"pipeline": chosen} if chosen else {})


@guarded
def _save_new(scope: str) -> None:
    if _store(scope, widget_text("secret-name").strip(), "secret-value", replace=False):
        keep("secret-name", "")


@guarded
def _save(scope: str, name: str, field: str) -> None:
    _store(scope, name, field, replace=True)


def _store(scope: str, name: str, field: str, *, replace: bool) -> bool:
    """Saves what is in a field, and empties it when that worked."""
    runtime = get_runtime()
    owner_id, value = current_session(runtime).account.id, widget_text(field)

    def store() -> None:
        pipeline_id = _owned(runtime, owner_id, scope)
        set_secret(runtime, owner_id, name, value, pipeline_id=pipeline_id, replace=replace)

    if not attempt(store):
        return False
    keep(field, "")
    say(f"Saved {name}.")
    return True


@guarded
def _ask_delete(scope: str, name: str) -> None:
    ask_dialog("delete-secret", scope=scope, secret=name)


@guarded
def _delete(scope: str, name: str) -> None:
    runtime = get_runtime()
    owner_id = current_session(runtime).account.id
    if attempt(lambda: delete_secret(runtime, owner_id, name, pipeline_id=_owned(runtime, owner_id, scope))):
        say(f"Deleted {name}.")


def _owned(runtime: Runtime, owner_id: str, scope: str) -> str | None:
    """The pipeline of a scope, looked up with its owner."""
    return get_pipeline(runtime, owner_id, scope).id if scope else None
