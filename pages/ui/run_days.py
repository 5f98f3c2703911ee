"""How runs went: a day as a column, what completed and what did not on top of each other, and the slowest steps."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from urllib.parse import urlencode

from core.execution.usage_days import RunDay, StepPace, success_rate
from core.shared.csv_cells import csv_cell
from pages.ui.day_chart import MOST_COLUMNS, columns_html, day_name
from pages.ui.navigator import base_path
from pages.ui.statement_table import pipeline_name
from pages.ui.words import count, duration


def run_days_html(days: Sequence[RunDay]) -> str:
    """The columns as HTML, with what they show in words."""
    columns = list(days) if len(days) <= MOST_COLUMNS else _weeks_of(days)
    by_week = len(columns) != len(days)
    most = max(day.ended for day in columns)
    ended, failed = sum(day.ended for day in days), sum(day.failed for day in days)
    title = f"Runs by {'week' if by_week else 'day'}"
    said = f"{count(ended, 'run')} in {count(len(days), 'day')}, {failed:,} failed"
    if most:
        said += f", at most {most:,} on {day_name(max(columns, key=lambda day: day.ended).day)}"
    bars = "".join(_bar(day, most, by_week=by_week) for day in columns)
    first, last = day_name(columns[0].day), day_name(columns[-1].day)
    chart = columns_html(title, said, bars, most=f"{most:,}", first=first, last=last, kind="sq-run-days")
    return f'{chart}<div class="sq-facts sq-run-said">{_said(days)}</div>'


def slow_steps_html(paces: Sequence[StepPace], names: Mapping[str, str]) -> str:
    """The steps as a table, the slowest first."""
    most = max((pace.median_ms for pace in paces), default=0)
    rows = "".join(_row(pace, names, most) for pace in paces)
    head = '<th>Step</th><th class="sq-num">Times</th><th class="sq-num">Usually</th><th class="sq-num">Longest</th>'
    return f'<table class="sq-table sq-shares"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def run_days_csv(days: Sequence[RunDay]) -> str:
    """A line a day, for a spreadsheet."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(("day", "completed", "failed", "cancelled", "success_rate"))
    for day in days:
        rate = success_rate([day])
        share = "" if rate is None else f"{rate:.4f}"
        lines.writerow((day.day.isoformat(), day.completed, day.failed, day.cancelled, share))
    return text.getvalue()


def slow_steps_csv(paces: Sequence[StepPace], names: Mapping[str, str]) -> str:
    """A line a step, for a spreadsheet."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(("pipeline", "step", "type", "model", "times", "median_ms", "longest_ms", "longest_run_id"))
    for pace in paces:
        name, model = csv_cell(pipeline_name(pace.pipeline_id, names)), csv_cell(pace.model or "")
        figures = (pace.times, pace.median_ms, pace.longest_ms, pace.longest_run_id)
        lines.writerow((name, csv_cell(pace.step_id), pace.type, model, *figures))
    return text.getvalue()


def rate_words(days: Sequence[RunDay]) -> str:
    """The success rate as people read it; never 100 % while one failed."""
    rate = success_rate(days)
    if rate is None:
        return "–"
    return f"{min(100 * rate, 99.9):.1f} %" if rate < 1 else "100 %"


def _said(days: Sequence[RunDay]) -> str:
    parts = [("completed", "sq-ran"), ("failed", "sq-failed-key"), ("cancelled", "sq-left-key")]
    counts = {name: sum(getattr(day, name) for day in days) for name, _ in parts}
    return " ".join(
        f'<span><i class="sq-key sq-ran {key}" aria-hidden="true"></i>{counts[name]:,} {name}</span>'
        for name, key in parts
        if counts[name] or name == "completed"
    )


def _bar(day: RunDay, most: int, *, by_week: bool) -> str:
    parts = [("cancelled", day.cancelled), ("failed", day.failed), ("completed", day.completed)]
    pieces = "".join(
        f'<i class="sq-part-{name}" style="height:{max(100 * number / most, 1.5):.1f}%"></i>'
        for name, number in parts
        if number
    )
    since = "from " if by_week else ""
    told = ", ".join(f"{number:,} {name}" for name, number in reversed(parts) if number) or "no runs"
    return f'<span title="{escape(f"{since}{day_name(day.day)}: {told}")}">{pieces}</span>'


def _weeks_of(days: Sequence[RunDay]) -> list[RunDay]:
    """The same by seven days, each named by its first."""
    weeks = [days[at : at + 7] for at in range(0, len(days), 7)]
    return [
        RunDay(
            week[0].day,
            sum(day.completed for day in week),
            sum(day.failed for day in week),
            sum(day.cancelled for day in week),
        )
        for week in weeks
    ]


def _row(pace: StepPace, names: Mapping[str, str], most: int) -> str:
    part = 100 * pace.median_ms / most if most else 0
    place = escape(urlencode({"run": pace.longest_run_id, "step": pace.step_id}))
    about = escape(pipeline_name(pace.pipeline_id, names)) + (f" · {escape(pace.model)}" if pace.model else "")
    return (
        f'<tr><td><span class="sq-name">{escape(pace.step_id)}</span> <span class="sq-facts">{about}</span>'
        f'<div class="sq-meter" aria-hidden="true"><span style="width:{part:.0f}%"></span></div></td>'
        f'<td class="sq-num">{pace.times:,}</td><td class="sq-num">{duration(pace.median_ms)}</td>'
        f'<td class="sq-num"><a href="{base_path()}run?{place}" target="_self">{duration(pace.longest_ms)}</a></td>'
        "</tr>"
    )
