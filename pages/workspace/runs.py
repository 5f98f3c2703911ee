"""The runs of a person: those under way on top, then the ended ones, with filters and pages in the address."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.bootstrap import get_runtime
from core.execution.commands import retry_runs
from core.execution.domain import BulkRetry, RunSummary
from core.execution.queries import list_runs
from core.pipelines.queries import list_pipelines
from core.shared.clock import iso_z
from core.shared.pages import Page
from pages.ui.address import address, go
from pages.ui.dialogs import retry_dialog
from pages.ui.memory import ask_dialog, forget_widgets, keep, take, take_dialog, widget_text
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.run_table import run_table
from pages.ui.session import current_session, guarded
from pages.ui.words import count

PAGE_SIZE = 50
LIVE_SECONDS = 2.0
RETRY_AT_MOST = 20
STATUSES = {
    "": "Any status",
    "running": "Running",
    "waiting": "Waiting",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
PERIODS = {0: "At any time", 1: "In the last day", 7: "In the last 7 days", 30: "In the last 30 days"}
_LIVE = "runs-live"
_FILTERS = ("runs-status", "runs-pipeline", "runs-text")


def runs_page() -> None:
    """Filters, the table, and older runs."""
    session = current_session(get_runtime())
    with st.container(horizontal=True, vertical_alignment="center", key="runs-header"):
        st.html('<h1 class="sq-title">Runs</h1>')
        page = _load(session.account.id, active=False)
        failed = [run for run in page.items if run.status == "failed"][:RETRY_AT_MOST]
        if failed:
            st.button(
                f"Retry {count(len(failed), 'failed run')}…", key="runs-retry", icon=":material/replay:",
                help="Choose which, and see what it may cost.", on_click=ask_dialog, args=("retry",),
            )  # fmt: skip
        if page.items:
            with st.popover("Download", icon=":material/download:", key="runs-download"):
                _draw_download()
    draw_notices()
    _draw_filters(session.account.id)
    live = _live(session.account.id)
    if live:
        st.fragment(_draw_live, run_every=LIVE_SECONDS)()
    _draw_ended(page, alone=not live)
    if take_dialog()[0] == "retry" and failed:
        retry_dialog(failed, _retry, now=get_runtime().clock.now())


def _load(owner_id: str, *, active: bool) -> Page[RunSummary]:
    asked = st.query_params
    return list_runs(
        get_runtime(),
        owner_id,
        pipeline_id=asked.get("pipeline"),
        status=asked.get("status"),
        text=asked.get("text"),
        active=active,
        limit=PAGE_SIZE,
        cursor=None if active else asked.get("after"),
    )


def _live(owner_id: str) -> tuple[RunSummary, ...]:
    """The runs under way; on the first page only."""
    return () if "after" in st.query_params else _load(owner_id, active=True).items


def _draw_live() -> None:
    """The runs under way, drawn anew until one has ended: then it belongs below."""
    live = _live(current_session(get_runtime()).account.id)
    before, now = take(_LIVE) or frozenset(), frozenset(run.id for run in live)
    if not now or before - now:
        st.rerun()
    keep(_LIVE, now)
    st.html(f'<h2 class="sq-label">Under way</h2>{run_table(live, get_runtime().clock.now())}')


def _draw_filters(owner_id: str) -> None:
    asked = address()
    names = {pipeline.id: pipeline.name for pipeline in list_pipelines(get_runtime(), owner_id, PAGE_SIZE).items}
    with st.container(horizontal=True, vertical_alignment="bottom", key="run-filters"):
        _draw_choice("Status", "status", STATUSES, width=170)
        _draw_choice("Pipeline", "pipeline", {"": "Any pipeline"} | names, width=240)
        st.text_input(
            "Name contains",
            value=asked.get("text", ""),
            key="runs-text",
            width=220,
            icon=":material/search:",
            on_change=lambda: _filter("text", "runs-text"),
        )
        if asked:
            st.button("Clear filters", key="runs-clear", type="tertiary", icon=":material/close:", on_click=_clear)


def _draw_download() -> None:
    """All runs that the filters let through, however many pages they fill: the browser saves them as they come."""
    now = get_runtime().clock.now()
    days = st.selectbox("Started", list(PERIODS), key="runs-period", format_func=PERIODS.__getitem__)
    asked = address()
    query = {"pipeline_id": asked.get("pipeline"), "status": asked.get("status"), "text": asked.get("text")}
    query["since"] = iso_z(now - timedelta(days=days)) if days else None
    chosen = {name: value for name, value in query.items() if value}
    filtered = "The filters of this page apply. " if len(chosen) > bool(days) else ""
    rows = "".join(
        f'<li><a class="sq-link" href="/api/runs/export?{escape(urlencode({"format": kind, **chosen}))}" download>'
        f'{title}</a><div class="sq-facts">{what}</div></li>'
        for kind, title, what in (
            ("csv", "Table (CSV)", "A line a run, for a spreadsheet."),
            ("ndjson", "Whole runs (NDJSON)", "With inputs, outputs and steps, a run a line."),
        )
    )
    st.html(f'<ul class="sq-choices">{rows}</ul><div class="sq-facts">{filtered}Newest first.</div>')


def _draw_choice(label: str, name: str, words: dict[str, str], *, width: int) -> None:
    asked = st.query_params.get(name, "")
    # A pipeline that is not among the newest is still a filter that is on.
    known = words if asked in words else words | {asked: "One pipeline"}
    st.selectbox(
        label,
        list(known),
        index=list(known).index(asked),
        key=f"runs-{name}",
        width=width,
        format_func=lambda value: known[value],
        on_change=lambda: _filter(name, f"runs-{name}"),
    )


@guarded
def _filter(name: str, key: str) -> None:
    query = {k: v for k, v in address().items() if k not in (name, "after")}
    value = widget_text(key)
    go(query | ({name: value} if value else {}))


@guarded
def _clear() -> None:
    forget_widgets(*_FILTERS)
    go({})


def _draw_ended(page: Page[RunSummary], *, alone: bool) -> None:
    asked = address()
    if not page.items:
        if alone:
            _draw_nothing(bool(asked))
        return
    title = "" if alone else '<h2 class="sq-label">Ended</h2>'
    st.html(title + run_table(page.items, get_runtime().clock.now()))
    links = []
    if "after" in asked:
        links.append(_link({k: v for k, v in asked.items() if k != "after"}, "Newest"))
    if page.next_cursor:
        links.append(_link(asked | {"after": page.next_cursor}, "Older"))
    if links:
        st.html(f'<div class="sq-row sq-facts">{"".join(links)}</div>')


def _draw_nothing(filtered: bool) -> None:
    st.html(
        '<div class="sq-blank"><b>No run fits these filters.</b> Clear them to see every run.</div>'
        if filtered
        else f'<div class="sq-blank"><b>Nothing has run yet.</b> <a class="sq-link" href="{base_path()}" '
        'target="_self">Open the notebook</a> and press Run all. The demo model costs nothing.</div>'
    )


def _link(query: dict[str, str], word: str) -> str:
    return f'<a class="sq-link" href="{escape(f"{base_path()}runs?{urlencode(query)}")}" target="_self">{word}</a>'


@guarded
def _retry(run_ids: list[str]) -> None:
    runtime = get_runtime()
    owner = current_session(runtime).account
    done: list[BulkRetry] = []
    if attempt(lambda: done.append(retry_runs(runtime, owner, run_ids))):
        refused = "".join(f" {message}" for message in dict.fromkeys(why for _, why in done[0].refused))
        say(f"Started {count(len(done[0].started), 'run')}.{refused}")
