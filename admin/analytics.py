"""Use in numbers: dashboards of what at least five people did, with the days and filters in the address."""

from __future__ import annotations

from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from core.analytics.charts import CHARTS, DASHBOARDS, FILTERS, PLANS, TRIGGERS, Chart, Dashboard, chart_sql
from core.analytics.errors import LakeUnreachable
from core.analytics.facts import FACTS
from core.analytics.facts_commands import build_facts
from core.analytics.facts_store import facts_built
from core.analytics.queries import ChartResult, days_before, run_chart
from core.bootstrap import get_runtime
from core.shared.errors import AppError
from pages.ui.address import address, go
from pages.ui.chart_words import named
from pages.ui.charts import Link, draw_picture, figures_html, table_html
from pages.ui.download import download_button
from pages.ui.navigator import base_path
from pages.ui.notices import attempt, draw_notices
from pages.ui.session import count_error, guarded, require_role
from pages.ui.words import time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

PLACE = "admin-analytics"
PERIODS = {"7": "7 days", "28": "28 days", "90": "90 days", "other": "Other days"}
USUAL = "28"
MOST_DAYS = 800
ALL = ""
SAID_BY = {"page": "pages", "feature": "features", "provider": "models", "model": "models", "route": "routes"}
"""Charts whose rows name what can be chosen."""
FIXED = {"plan": PLANS, "trigger": TRIGGERS, "status": ("completed", "failed", "cancelled", "under_way")}


def analytics_page() -> None:
    """The chosen dashboard and nothing of the others."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    today = runtime.clock.now().date()
    board = DASHBOARDS.get(st.query_params.get("tab", ""), DASHBOARDS["activity"])
    first, last = _period(today)
    st.html(
        '<h1 class="sq-title">Analytics</h1><p class="sq-facts sq-intro">What people do here, without anybody: no '
        "number stands for fewer than five people, whatever is chosen.</p>"
    )
    draw_notices()
    _draw_boards(board)
    with st.container(horizontal=True, vertical_alignment="bottom", key="analytics-choices"):
        _draw_period(today)
        filters = _draw_filters(runtime, board, first, last)
    if not runtime.settings.analytics:
        st.html('<div class="sq-blank"><b>Nothing is counted.</b> This installation has it switched off.</div>')
    trouble: LakeUnreachable | None = None
    if any(CHARTS[name].relation in FACTS for name in board.charts):
        trouble = _draw_as_of(runtime)
    for name in board.charts:
        if trouble is None:
            trouble = _draw_chart(runtime, CHARTS[name], first, last, filters)
        else:  # each would wait for it as long
            _draw_instead(CHARTS[name], '<p class="sq-facts">Not looked for, for the same reason.</p>')


def _period(today: date) -> tuple[date, date]:
    """The first and last day that the address asks for; four weeks where it asks for none, or for nonsense."""
    asked = st.query_params
    try:
        first, last = date.fromisoformat(asked["from"]), date.fromisoformat(asked["to"])
        if first <= last <= today and (last - first).days < MOST_DAYS:
            return first, last
    except (KeyError, ValueError):
        pass
    days = asked.get("days", USUAL)
    return today - timedelta(days=int(days if days in PERIODS and days.isdecimal() else USUAL) - 1), today


def _draw_boards(board: Dashboard) -> None:
    key, titles = f"analytics-tab-{board.name}", {each.name: each.title for each in DASHBOARDS.values()}
    st.segmented_control(
        "Dashboard", list(DASHBOARDS), default=board.name, required=True, key=key,
        format_func=titles.__getitem__, label_visibility="collapsed",
        on_change=_choose_board, args=(key,),
    )  # fmt: skip


@guarded
def _choose_board(key: str) -> None:
    """Go to another dashboard: the days stay, and of the filters those that it has."""
    board = DASHBOARDS.get(str(st.session_state.get(key)))
    if board is not None:
        kept = {name: value for name, value in address().items() if name in ("days", "from", "to")}
        kept |= {name: st.query_params[name] for name in board.filters if name in st.query_params}
        go({"tab": board.name, **kept})


def _draw_period(today: date) -> None:
    chosen = "other" if "from" in st.query_params else st.query_params.get("days", USUAL)
    chosen = chosen if chosen in PERIODS else USUAL
    key = f"analytics-period-{chosen}"
    st.segmented_control(
        "Period", list(PERIODS), default=chosen, required=True, key=key, format_func=PERIODS.__getitem__,
        on_change=_choose_period, args=(key, today),
    )  # fmt: skip
    if chosen == "other":
        st.date_input(
            "Days", value=_period(today), key="analytics-days", format="YYYY-MM-DD", width=230, max_value=today,
            on_change=_choose_days,
        )  # fmt: skip


@guarded
def _choose_period(key: str, today: date) -> None:
    chosen = str(st.session_state.get(key) or USUAL)
    kept = {name: value for name, value in address().items() if name not in ("days", "from", "to")}
    if chosen == "other":
        first, last = _period(today)
        kept |= {"from": first.isoformat(), "to": last.isoformat()}
    else:
        kept["days"] = chosen
    go(kept)


@guarded
def _choose_days() -> None:
    days: tuple[date, ...] = st.session_state.get("analytics-days") or ()
    if len(days) == 2:  # with the first day chosen only, the last one is still to come
        go({**address(), "from": days[0].isoformat(), "to": days[1].isoformat()})


def _draw_filters(runtime: Runtime, board: Dashboard, first: date, last: date) -> dict[str, str]:
    """A choice for each filter of the dashboard; answers those that are chosen."""
    chosen = {name: st.query_params[name] for name in board.filters if st.query_params.get(name)}
    for name in board.filters:
        now = chosen.get(name, ALL)
        options = [ALL, *dict.fromkeys((*_words_of(runtime, name, first, last), *([now] if now else [])))]
        words = {ALL: "All", **{word: named(word) for word in options if word}}
        key = f"analytics-{name}-{now}"
        st.selectbox(
            FILTERS[name], options, index=options.index(now), key=key, width=140,
            format_func=words.__getitem__, on_change=_choose_filter, args=(name, key),
        )  # fmt: skip
    return chosen


def _words_of(runtime: Runtime, name: str, first: date, last: date) -> list[str]:
    if name in FIXED:
        return list(FIXED[name])
    try:
        rows = run_chart(runtime, SAID_BY[name], first, last).dicts()
    except AppError:  # said where the numbers would be
        return []
    return sorted({row[name] for row in rows if row[name] is not None})


@guarded
def _choose_filter(name: str, key: str) -> None:
    word = str(st.session_state.get(key) or ALL)
    kept = {each: value for each, value in address().items() if each != name}
    go({**kept, name: word} if word else kept)


def _draw_as_of(runtime: Runtime) -> LakeUnreachable | None:
    try:
        built = facts_built(runtime)
    except LakeUnreachable as error:
        st.html(_trouble_html(error))
        return error
    with st.container(horizontal=True, vertical_alignment="center", key="analytics-as-of"):
        if built is None:
            said = "Figures of runs, models and credits are made every hour. None were made yet."
        else:
            said = (
                f"Figures of runs, models and credits as of <b>{built:%H:%M} UTC</b> "
                f"({time_html(built, runtime.clock.now())})."
            )
        st.html(f'<p class="sq-facts">{said}</p>', width="content")
        st.button("Refresh", key="analytics-refresh", icon=":material/refresh:", type="tertiary", on_click=_refresh)
    return None


@guarded
def _refresh() -> None:
    runtime = get_runtime()
    require_role(runtime, "admin")
    attempt(lambda: build_facts(runtime))


def _draw_chart(
    runtime: Runtime, chart: Chart, first: date, last: date, filters: dict[str, str]
) -> LakeUnreachable | None:
    """A chart, or in its place why it is not there. Answers what the other charts would only wait for again."""
    with st.container(border=True, key=f"chart-{chart.name}"):
        unused = [FILTERS[name].lower() for name in filters if name not in chart.filters]
        whole = f" All of them: {', '.join(unused)} is not known here." if unused else ""
        st.html(f'<h2 class="sq-id">{escape(chart.title)}</h2><p class="sq-facts">{escape(chart.says + whole)}</p>')
        try:
            _draw_answer(runtime, chart, first, last, filters)
        except AppError as broken:  # the other charts may well be drawn
            count_error(broken.code)
            st.html(_trouble_html(broken))
            return broken if isinstance(broken, LakeUnreachable) else None
    return None


def _draw_answer(runtime: Runtime, chart: Chart, first: date, last: date, filters: dict[str, str]) -> None:
    now = run_chart(runtime, chart.name, first, last, filters)
    if not now.rows:
        st.html(
            f'<div class="sq-blank"><b>Numbers appear once five people {escape(chart.teaches)}.</b> '
            "What fewer did is never shown, so that nobody can be made out. Try more days or fewer filters.</div>"
        )
    else:
        if chart.figures:
            before = run_chart(runtime, chart.name, *days_before(first, last), filters)
            st.html(figures_html(chart, now, before, (last - first).days + 1))
        draw_picture(chart, now, first, last)
        _draw_table(chart, now)
    _draw_sources(chart, now, first, last, filters)


def _draw_instead(chart: Chart, said: str) -> None:
    with st.container(border=True, key=f"chart-{chart.name}"):
        st.html(f'<h2 class="sq-id">{escape(chart.title)}</h2>{said}')


def _trouble_html(error: AppError) -> str:
    return f'<div class="sq-trouble"><span>{escape(error.message)}</span></div>'


def _draw_table(chart: Chart, now: ChartResult) -> None:
    html = table_html(chart, now, _link_of(chart))
    if chart.kind in ("days", "weeks", "cohorts"):
        with st.expander("As a table"):
            st.html(html)
    else:
        st.html(html)


def _link_of(chart: Chart) -> Link:
    """A word of the table leads to the same dashboard with only what has it."""

    def link(column: str, word: str) -> str | None:
        if column not in chart.filters or st.query_params.get(column) == word:
            return None
        return f"{base_path()}{PLACE}?{urlencode({**address(), column: word})}"

    return link


def _draw_sources(chart: Chart, now: ChartResult, first: date, last: date, filters: dict[str, str]) -> None:
    """The numbers as files, and the query they come from."""
    name = f"{chart.name}-{first.isoformat()}-{last.isoformat()}"
    with st.container(horizontal=True, vertical_alignment="center", key=f"chart-sources-{chart.name}"):
        if now.rows:
            download_button("CSV", now.csv, file_name=f"{name}.csv", mime="text/csv", key=f"csv-{chart.name}")
            download_button(
                "Parquet", now.parquet, file_name=f"{name}.parquet", mime="application/vnd.apache.parquet",
                key=f"parquet-{chart.name}",
            )  # fmt: skip
        with st.popover("Show the query", icon=":material/code:", type="tertiary", width="content"):
            st.code(chart_sql(chart.name), language="sql")
            bound = {"first": first.isoformat(), "last": last.isoformat()}
            bound |= {each: filters.get(each, "empty: all") for each in chart.filters}
            told = "".join(f"<li><code>${escape(each)}</code> {escape(value)}</li>" for each, value in bound.items())
            st.html(f'<ul class="sq-plain-list sq-facts">{told}</ul>')
            address = f"{base_path()}admin-console?{urlencode({'query': chart.name})}"
            st.html(f'<a class="sq-link" href="{escape(address)}" target="_self">Open it in the console</a>')


if __name__ == "__main__":
    analytics_page()
