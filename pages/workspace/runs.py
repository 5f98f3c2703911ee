"""The runs of a person, newest first, with filters and pages in the address."""

from __future__ import annotations

from datetime import datetime
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.domain import ACTIVE, RunSummary
from core.execution.queries import list_runs
from core.shared.money import format_credits
from core.shared.pages import Page
from pages.ui.badges import state_badge
from pages.ui.memory import forget_widgets, widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import draw_notices
from pages.ui.session import current_session
from pages.ui.words import duration, time_html

PAGE_SIZE = 50
LIVE_SECONDS = 2.0
STATUSES = {
    "": "Any status",
    "running": "Running",
    "waiting": "Waiting",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def runs_page() -> None:
    """Filters, the table, and older runs."""
    session = current_session(get_runtime())
    st.html('<h1 class="sq-title">Runs</h1>')
    draw_notices()
    _draw_filters()
    page = _load(session.account.id)
    if any(run.status in ACTIVE for run in page.items):
        st.fragment(_draw_again, run_every=LIVE_SECONDS)()
    else:
        _draw_page(page)


def _load(owner_id: str) -> Page[RunSummary]:
    asked = st.query_params
    return list_runs(
        get_runtime(),
        owner_id,
        pipeline_id=asked.get("pipeline"),
        status=asked.get("status"),
        text=asked.get("text"),
        limit=PAGE_SIZE,
        cursor=asked.get("after"),
    )


def _draw_again() -> None:
    page = _load(current_session(get_runtime()).account.id)
    _draw_page(page)
    if not any(run.status in ACTIVE for run in page.items):
        st.rerun()


def _draw_filters() -> None:
    asked = st.query_params.to_dict()
    with st.container(horizontal=True, vertical_alignment="bottom", key="run-filters"):
        options = list(STATUSES)
        status = asked.get("status", "")
        st.selectbox(
            "Status",
            options,
            index=options.index(status) if status in options else 0,
            key="runs-status",
            width=180,
            format_func=lambda name: STATUSES[name],
            on_change=lambda: _filter("status", "runs-status"),
        )
        st.text_input(
            "Pipeline name",
            value=asked.get("text", ""),
            key="runs-text",
            width=260,
            icon=":material/search:",
            on_change=lambda: _filter("text", "runs-text"),
        )
        if asked:
            st.button("Clear filters", key="runs-clear", type="tertiary", icon=":material/close:", on_click=_clear)


def _filter(name: str, key: str) -> None:
    query = {k: v for k, v in st.query_params.to_dict().items() if k not in (name, "after")}
    value = widget_text(key)
    st.query_params.from_dict(query | ({name: value} if value else {}))


def _clear() -> None:
    forget_widgets("runs-status", "runs-text")
    st.query_params.clear()


def _draw_page(page: Page[RunSummary]) -> None:
    asked = st.query_params.to_dict()
    if not page.items:
        start = base_path()
        st.html(
            '<div class="sq-empty">No run fits these filters.</div>'
            if asked
            else f'<div class="sq-empty">Nothing has run yet. <a class="sq-link" href="{start}" target="_self">'
            "Open the notebook</a> and press Run all.</div>"
        )
        return
    st.html(runs_table(page.items, get_runtime().clock.now()))
    links = []
    if "after" in asked:
        links.append(_link({k: v for k, v in asked.items() if k != "after"}, "Newest"))
    if page.next_cursor:
        links.append(_link(asked | {"after": page.next_cursor}, "Older"))
    st.html(f'<div class="sq-row sq-facts">{"".join(links)}</div>')


def runs_table(runs: tuple[RunSummary, ...], now: datetime) -> str:
    """The table as HTML: real links, exact times on hover."""
    head = (
        '<th>Status</th><th>Pipeline</th><th class="sq-hide-narrow">Trigger</th><th>Started</th>'
        '<th class="sq-num sq-hide-narrow">Duration</th><th class="sq-num">Credits</th>'
    )
    rows = "".join(_row(run, now) for run in runs)
    return f'<table class="sq-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(run: RunSummary, now: datetime) -> str:
    version = f" v{run.pipeline_version}" if run.pipeline_version else " draft"
    return (
        f"<tr><td>{state_badge(run.status, run=True)}</td>"
        f'<td><a href="{base_path()}run?run={run.id}" target="_self">{escape(run.pipeline_name)}</a>'
        f'<span class="sq-facts">{version}</span></td>'
        f'<td class="sq-hide-narrow">{escape(run.trigger_type)}</td>'
        f"<td>{time_html(run.started_at or run.created_at, now)}</td>"
        f'<td class="sq-num sq-hide-narrow">{duration(run.duration_ms)}</td>'
        f'<td class="sq-num">{format_credits(run.credits_micros)}</td></tr>'
    )


def _link(query: dict[str, str], word: str) -> str:
    return f'<a class="sq-link" href="{escape(f"{base_path()}runs?{urlencode(query)}")}" target="_self">{word}</a>'
