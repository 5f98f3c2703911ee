"""Dialogs of the notebook: versions with their differences, export, keys, and the confirmation of a costly run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import unified_diff
from html import escape

import streamlit as st

from core.execution.domain import RunSummary
from core.pipelines.domain import VersionView
from core.shared.money import format_credits
from pages.ui.download import download_button
from pages.ui.navigator import COMMANDS, base_path
from pages.ui.words import ago, count


@st.dialog("Versions", width="large", icon=":material/history:")
def versions_dialog(
    versions: Sequence[VersionView], current: str, restore: Callable[[int], None], *, now: datetime
) -> None:
    """Every version with what differs from the text being edited; one click brings it back."""
    by_number = {version.number: version for version in versions}
    number = st.selectbox(
        "Version",
        list(by_number),
        key="versions-choice",
        format_func=lambda n: f"v{n} · {ago(by_number[n].created_at, now)}",
    )
    chosen = by_number[number]
    lines = list(
        unified_diff(
            chosen.text.splitlines(), current.splitlines(), f"v{number}", "what you are editing", lineterm="", n=2
        )
    )
    if lines:
        st.html(diff_html(lines))
    else:
        st.html('<div class="sq-empty">The same as what you are editing.</div>')
    st.html(
        '<div class="sq-facts">Restoring makes a new version with this text. '
        "Your draft is replaced; you can undo it.</div>"
    )
    if st.button(
        f"Restore v{number}",
        key="versions-restore",
        icon=":material/restore:",
        disabled=not lines,
        on_click=restore,
        args=(number,),
    ):
        st.rerun()


@st.dialog("Export YAML", width="large", icon=":material/download:")
def export_dialog(name: str, text: str) -> None:
    """The definition as a file, and to copy."""
    download_button("Download YAML", text, file_name=file_name(name), mime="application/yaml", key="export")
    st.code(text, language="yaml", height=420)


@st.dialog("Keyboard shortcuts", icon=":material/keyboard:")
def keys_dialog() -> None:
    """Every key of the notebook."""
    rows = "".join(f"<tr><td><kbd>{keys}</kbd></td><td>{what}</td></tr>" for keys, what in COMMANDS.values())
    head = "<th>Keys</th><th>What they do</th>"
    st.html(f'<table class="sq-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>')


@st.dialog("Confirm the cost", icon=":material/payments:")
def confirm_dialog(maximum_micros: int, limit_micros: int, start: Callable[[], None]) -> None:
    """Asks before a run whose quoted maximum is above the person's limit."""
    st.markdown(
        f"This run may cost up to **{format_credits(maximum_micros)}**. "
        "It is held while the run goes on; what is not used returns."
    )
    st.html(
        f'<div class="sq-facts">You are asked above {format_credits(limit_micros)}: '
        f'<a class="sq-link" href="{base_path()}preferences" target="_self">change the limit</a>.</div>'
    )
    with st.container(horizontal=True):
        label = f"Run for up to {format_credits(maximum_micros)}"
        if st.button(label, type="primary", key="confirm-run", on_click=start):
            st.rerun()
        if st.button("Not now", key="confirm-no"):
            st.rerun()


def _chosen_runs() -> list[str]:
    return list(st.session_state["retry-choice"])


def diff_html(lines: Sequence[str]) -> str:
    """A unified diff with its sign before every line, so that the colour only repeats it."""
    classes = {"+": "sq-green", "-": "sq-red", "@": "sq-gray"}
    rows = "".join(f'<span class="{classes.get(line[:1], "")}">{escape(line)}\n</span>' for line in lines[2:])
    return f'<pre class="sq-plaintext sq-diff" tabindex="0">{rows}</pre>'


def file_name(name: str) -> str:
    """A file name of a pipeline's name: letters and digits with dashes."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return "-".join(filter(None, kept.split("-"))) + ".yaml" if kept.strip("-") else "pipeline.yaml"


@st.dialog("Retry failed runs", width="large", icon=":material/replay:")
def retry_dialog(runs: Sequence[RunSummary], start: Callable[[list[str]], None], *, now: datetime) -> None:
    """Chooses among failed runs; each goes on from its failed step, and what had completed is reused."""
    by_id = {run.id: run for run in runs}
    chosen = st.multiselect(
        "Runs",
        list(by_id),
        default=list(by_id),
        key="retry-choice",
        format_func=lambda run_id: f"{by_id[run_id].pipeline_name} · {ago(by_id[run_id].created_at, now)}",
    )
    most = format_credits(sum(by_id[run_id].quote_max_micros for run_id in chosen))
    st.html(
        '<div class="sq-facts">Each goes on from its failed step in a new run. What had completed is reused and '
        f"costs nothing again. Together they may cost up to <b>{most}</b>.</div>"
    )
    label = f"Retry {count(len(chosen), 'run')} for up to {most}"
    if st.button(label, type="primary", key="retry-go", disabled=not chosen, on_click=lambda: start(_chosen_runs())):
        st.rerun()
