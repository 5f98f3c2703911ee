"""Credits: what is left, what they went to, what the next days will cost, and every movement with its proof; and runs:
how many each day, how they ended, which steps take long."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from html import escape
from urllib.parse import urlencode

import streamlit as st

from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.bootstrap import get_runtime
from core.credits.domain import Balance
from core.credits.queries import balance
from core.credits.spending import WINDOW_DAYS, Forecast, Share, Spent, by_day, by_model, by_pipeline
from core.credits.statements import Statement, list_lines, spent_in, statement
from core.execution.usage import forecast_month
from core.execution.usage_days import LOOKED_AT, runs_by_day, slowest_steps
from core.pipelines.queries import pipeline_names
from core.shared.money import format_credits
from pages.ui.address import go
from pages.ui.day_chart import day_chart_html
from pages.ui.download import download_button
from pages.ui.navigator import base_path
from pages.ui.run_days import rate_words, run_days_csv, run_days_html, slow_steps_csv, slow_steps_html
from pages.ui.session import current_session, guarded
from pages.ui.statement_table import movement_table, pipeline_name, share_table
from pages.ui.words import count

PAGE_SIZE = 50
RANGES = {"7": 7, "28": 28, "90": 90}
"""Days up to today, by the word in the address."""
PERIODS = {
    "this": "This month",
    "last": "Last month",
    **{word: f"{days} days" for word, days in RANGES.items()},
    "other": "Other days",
}


def usage_page() -> None:
    """Figures, the days of a time, its pipelines and models, and its movements."""
    runtime = get_runtime()
    session = current_session(runtime)
    account, today = session.account, runtime.clock.now().date()
    first, last = _period(today)
    shown = statement(runtime, account, _midnight(first), _midnight(last + timedelta(days=1)))
    credits, pace = balance(runtime, account), forecast_month(runtime, account)
    with st.container(horizontal=True, vertical_alignment="center", key="usage-header"):
        st.html(f'<h1 class="sq-title">Usage</h1><p class="sq-facts">{PLANS[account.plan].title} plan</p>')
        _draw_period(today)
        with st.popover("Download", icon=":material/download:", key="usage-download"):
            _draw_downloads(first, last)
    _draw_figures(credits, shown, pace)
    st.html(f'<div class="sq-facts">{_pace_words(credits, pace)}</div>')
    found = spent_in(runtime, shown.stretch)
    if found:
        _draw_spending(account, found, first, min(last, today))
    else:
        _draw_nothing(ever=shown.opening_micros != 0 or pace.micros > 0)
    _draw_runs(account, first, min(last, today))
    _draw_movements(account, shown)


def _period(today: date) -> tuple[date, date]:
    """The first and last day that the address asks for; this month where it asks for none, or for nonsense."""
    asked = st.query_params
    month = today.replace(day=1)
    if asked.get("period") == "last":
        return (month - timedelta(days=1)).replace(day=1), month - timedelta(days=1)
    if asked.get("period") in RANGES:
        return today - timedelta(days=RANGES[asked["period"]] - 1), today
    try:
        first = date.fromisoformat(asked["from"])
        last = date.fromisoformat(asked.get("to", ""))
    except (KeyError, ValueError):
        return month, ((month + timedelta(days=32)).replace(day=1) - timedelta(days=1))
    return (first, last) if date(2000, 1, 1) <= first <= last <= date(2999, 12, 31) else (month, today)


def _draw_period(today: date) -> None:
    chosen = "other" if "from" in st.query_params else st.query_params.get("period", "this")
    st.segmented_control(
        "Period", list(PERIODS), default=chosen if chosen in PERIODS else "this", required=True,
        key=f"usage-period-{chosen}", format_func=PERIODS.__getitem__, label_visibility="collapsed",
        on_change=_choose_period, args=(f"usage-period-{chosen}", today),
    )  # fmt: skip
    if chosen == "other":
        st.date_input(
            "Days", value=_period(today), key="usage-days", format="YYYY-MM-DD", label_visibility="collapsed",
            width=240, on_change=_choose_days,
        )  # fmt: skip


@guarded
def _choose_period(key: str, today: date) -> None:
    chosen = str(st.session_state[key])
    query: dict[str, str] = {} if chosen == "this" else {"period": chosen}
    if chosen == "other":
        query = {"from": (today - timedelta(days=29)).isoformat(), "to": today.isoformat()}
    go(query)


@guarded
def _choose_days() -> None:
    days = st.session_state["usage-days"]
    if len(days) == 2:  # with the first day chosen only, the last one is still to come
        go({"from": days[0].isoformat(), "to": days[1].isoformat()})


def _draw_figures(credits: Balance, shown: Statement, pace: Forecast) -> None:
    with st.container(key="figures"):
        left, held, spent, ahead = st.columns(4)
    left.metric("Left", "Unlimited" if credits.unlimited else format_credits(credits.available_micros), border=True)
    held.metric("Held by runs", format_credits(credits.held_micros), border=True)
    spent.metric("Spent in this period", format_credits(-shown.totals.get("settle", 0)), border=True)
    ahead.metric("Next 30 days", format_credits(pace.micros), border=True)


def _pace_words(credits: Balance, pace: Forecast) -> str:
    if pace.micros == 0:
        return "Nothing was spent lately, and no schedule is on that would spend."
    scheduled = (
        f", <b>{format_credits(pace.scheduled_micros)}</b> of it for the times that schedules are due"
        if pace.scheduled_micros
        else ""
    )
    said = (
        f"At the pace of the last {count(pace.days, 'day')} the next 30 cost {format_credits(pace.micros)}{scheduled}."
    )
    days = None if credits.unlimited else pace.days_left(credits.available_micros)
    if days is None or days > WINDOW_DAYS:  # what a month grants does not last beyond it
        return said
    return f"{said} What is left lasts about <b>{count(days, 'day')}</b>."


def _draw_spending(account: Account, found: tuple[Spent, ...], first: date, last: date) -> None:
    st.html(day_chart_html(by_day(found, first, max(first, last))))
    names = pipeline_names(get_runtime(), account.id, {each.pipeline_id for each in found if each.pipeline_id})
    pipelines, models = st.columns(2, gap="medium")
    with pipelines:
        shares = [(pipeline_name(share.name, names), share) for share in by_pipeline(found)]
        st.html(f'<div class="sq-scroll">{share_table("Pipeline", shares)}</div>')
    with models:
        shares = [(_model(share), share) for share in by_model(found)]
        st.html(f'<div class="sq-scroll">{share_table("Model", shares)}</div>')


def _draw_runs(account: Account, first: date, last: date) -> None:
    runtime = get_runtime()
    days = runs_by_day(runtime, account.id, first, max(first, last))
    ended = sum(day.ended for day in days)
    if not ended:
        st.html(
            '<h2 class="sq-label">Runs</h2><div class="sq-blank"><b>No run ended in this time.</b> Once some '
            "did, their days are here, with how many completed and which steps take longest. "
            f'<a class="sq-link" href="{base_path()}pipelines" target="_self">Open a pipeline</a></div>'
        )
        return
    paces = slowest_steps(runtime, account.id, first, max(first, last))
    names = pipeline_names(runtime, account.id, {each.pipeline_id for each in paces if each.pipeline_id})
    st.html(run_days_html(days))
    with st.container(key="run-figures"):
        runs, rate, failed = st.columns(3)
    runs.metric("Runs ended", f"{ended:,}", border=True)
    rate.metric("Success rate", rate_words(days), border=True, help="Of the runs that were not cancelled.")
    failed.metric("Failed", f"{sum(day.failed for day in days):,}", border=True)
    if paces:
        newest = f", of the newest {LOOKED_AT} runs" if ended > LOOKED_AT else ""
        said = f'<p class="sq-facts">By how long each usually takes{newest}; waits for people are left out.</p>'
        table = slow_steps_html(paces, names)
        st.html(f'<h2 class="sq-label">Slowest steps</h2>{said}<div class="sq-scroll">{table}</div>')
    span = f"{first.isoformat()}-{max(first, last).isoformat()}"
    with st.container(horizontal=True, key="run-downloads"):
        download_button(
            "Runs a day (CSV)", lambda: run_days_csv(days), file_name=f"stepiq-runs-{span}.csv", mime="text/csv",
            key="runs-a-day",
        )  # fmt: skip
        if paces:
            download_button(
                "Slowest steps (CSV)", lambda: slow_steps_csv(paces, names), file_name=f"stepiq-steps-{span}.csv",
                mime="text/csv", key="slow-steps",
            )  # fmt: skip


def _model(share: Share) -> str:
    return (share.name or "").partition("/")[2] or "Before models were noted"


def _draw_nothing(*, ever: bool) -> None:
    if ever:
        st.html('<div class="sq-blank"><b>Nothing was spent in this time.</b> Choose other days above.</div>')
        return
    st.html(
        '<div class="sq-blank"><b>Nothing was spent yet.</b> Runs on the demo model and on your own model keys cost no '
        "credits; other models do, and each call will be here with its tokens and prices.<br>"
        f'<a class="sq-link" href="{base_path()}pipelines" target="_self">Open a pipeline</a></div>'
    )


def _draw_movements(account: Account, shown: Statement) -> None:
    asked = st.query_params.get("before", "")
    before = int(asked) if asked.isdecimal() and len(asked) < 16 else None
    page = list_lines(get_runtime(), shown.stretch, limit=PAGE_SIZE, before=before)
    if not page.items and before is None:
        return
    names = pipeline_names(get_runtime(), account.id, {line.pipeline_id for line in page.items if line.pipeline_id})
    st.html(f'<h2 class="sq-label">Movements</h2>{movement_table(page.items, names, get_runtime().clock.now())}')
    kept = {name: value for name, value in st.query_params.to_dict().items() if name != "before"}
    older = ""
    if page.next_cursor:
        query = escape(urlencode({**kept, "before": page.next_cursor}))
        older = f'<a class="sq-button" href="{base_path()}usage?{query}" target="_self">Older</a>'
    newest = ""
    if before is not None:
        newest = f'<a class="sq-button" href="{base_path()}usage?{escape(urlencode(kept))}" target="_self">Newest</a>'
    if older or newest:
        st.html(f'<div class="sq-row">{newest}{older}</div>')


def _draw_downloads(first: date, last: date) -> None:
    """Files of the chosen time, and the proof of everything."""
    period = {"from": first.isoformat(), "to": last.isoformat()}
    rows = "".join(
        f'<li><a class="sq-link" href="/api/user/statement?{escape(urlencode(query))}" download>{title}</a>'
        f'<div class="sq-facts">{what}</div></li>'
        for query, title, what in (
            ({"format": "pdf", **period}, "Statement (PDF)", "The chosen days, to print and to keep."),
            ({"format": "csv", **period}, "Table (CSV)", "The chosen days, a line a movement, for a spreadsheet."),
            ({"format": "json"}, "Proof (JSON)", "Every movement since the first, chained by hashes: "
             "<code>stepiq ledger verify FILE</code> checks it without us."),
        )
    )  # fmt: skip
    st.html(f'<ul class="sq-choices">{rows}</ul>')


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
