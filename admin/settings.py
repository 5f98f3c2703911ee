"""The settings in force in this process, secrets masked, and what runs here."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.analytics.lake_state import lake_state
from core.bootstrap import get_runtime, newest_revision
from core.platform.in_force import ProcessFacts, SettingView, process_facts, settings_in_force
from pages.ui.badges import text_badge
from pages.ui.session import require_role
from pages.ui.words import duration

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

GIGABYTE = 1024**3
WHICH = {"": "All", "set": "Set", "default": "Left as they are"}


def settings_page() -> None:
    """Facts, then a row a variable."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    st.html(
        '<h1 class="sq-title">Settings in force</h1><p class="sq-facts sq-intro">Read once at the start from the '
        "environment and <code>.env</code>: to change one, set its variable and start again. Other processes may have "
        "been started with others. Secrets are never shown.</p>"
    )
    _draw_facts(runtime, process_facts(runtime))
    with st.container(horizontal=True, vertical_alignment="bottom", key="settings-filters"):
        text = st.text_input("Find", key="settings-text", width=260, icon=":material/search:")
        which = st.segmented_control(
            "Which", list(WHICH), key="settings-which", default="", format_func=WHICH.__getitem__, required=True
        )  # fmt: skip
    found = [
        each
        for each in settings_in_force(runtime.settings)
        if text.strip().lower() in f"{each.variable} {each.description}".lower()
        and (not which or each.is_set == (which == "set"))
    ]
    if not found:
        st.html('<div class="sq-blank">No setting fits.</div>')
        return
    rows = "".join(map(_row, found))
    st.html(
        '<div class="sq-scroll"><table class="sq-table sq-top sq-env"><thead><tr><th scope="col">Variable</th>'
        f'<th scope="col">Value</th><th scope="col">What it is</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _draw_facts(runtime: Runtime, facts: ProcessFacts) -> None:
    newest = newest_revision()
    behind = "" if facts.revision == newest else text_badge(f"the newest is {newest}", "red")
    up = ""
    if facts.started_at is not None:
        up = duration((runtime.clock.now() - facts.started_at).total_seconds() * 1000)
    low = text_badge("low", "red") if facts.disk.is_low else ""
    share = 100 * facts.disk.free // facts.disk.total if facts.disk.total else 0
    shown = (
        ("stepIQ", escape(facts.version)),
        ("Python", escape(facts.python)),
        ("Database", escape(facts.database)),
        ("Schema", f"<code>{escape(facts.revision)}</code>{behind}"),
        ("Disk of the data folder", f"{facts.disk.free / GIGABYTE:,.1f} GB free, {share} %{low}"),
        ("Lake of events", _lake(runtime)),
        ("Up for", escape(up)),
    )
    rows = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in shown)
    st.html(f'<table class="sq-table sq-slim"><tbody>{rows}</tbody></table>')


def _lake(runtime: Runtime) -> str:
    state = lake_state(runtime)
    where = f"<code>{escape(state.where)}</code>"
    if state.problem is None:
        return where
    return f'{where} {text_badge("not well", "red")}<div class="sq-facts">{escape(state.problem)}</div>'


def _row(setting: SettingView) -> str:
    value = escape(setting.value) or '<span class="sq-facts">empty</span>'
    if setting.is_secret:
        value = f'<span class="sq-facts">{value}</span>'
    badge = text_badge("set", "green") if setting.is_set else ""
    return (
        f"<tr><td><code>{escape(setting.variable)}</code> {badge}</td>"
        f'<td class="sq-cell-name">{value}</td><td class="sq-facts">{escape(setting.description)}</td></tr>'
    )


if __name__ == "__main__":
    settings_page()
