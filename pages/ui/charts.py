"""Draws a chart of the dashboards: figures, the drawing, and the table that says the same.

One accent colour, and a label at what it names: a chart of two things is two small charts, one over the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from typing import Any

import streamlit as st

from core.analytics.charts import Chart, Column
from core.analytics.queries import ChartResult
from pages.ui.badges import text_badge
from pages.ui.chart_words import compared, drawn, figure_of, named, spoken

ACCENT = "#3d5afe"
PALE = "#e3e8ff"
INK = "#1c2330"
MOST_BARS = 12
MOST_ROWS = 200
FORMATS = {"money": "$,.2f", "share": ".0%", "number": ",d", "people": ",d", "credits": ",.0f"}
Link = Callable[[str, str], str | None]
"""For a column and a word: the address that shows only what has it; none where that is not to be chosen."""


def figures_html(chart: Chart, now: ChartResult, before: ChartResult, days: int) -> str:
    """The numbers over a chart, each with what became of it."""
    cards = []
    for figure in chart.figures:
        value, earlier = (figure_of(figure, result.dicts()) for result in (now, before))
        said, colour = compared(figure, value, earlier, days)
        cards.append(
            f'<div><div class="sq-label">{escape(figure.title)}</div><b>{escape(spoken(value, figure.unit))}</b>'
            f"{text_badge(said, colour) if said else ''}</div>"
        )
    return f'<div class="sq-metrics">{"".join(cards)}</div>' if cards else ""


def draw_picture(chart: Chart, result: ChartResult, first: date, last: date) -> None:
    """The drawing, with its alternative in words."""
    rows = result.dicts()
    if chart.kind in ("days", "weeks"):
        for title, values, column in _over_time(chart, rows):
            st.html(f'<div class="sq-label">{escape(title)}</div>')
            _vega(_time_spec(values, column, first, last, weeks=chart.kind == "weeks"), _say(title, values, column))
    elif chart.kind in ("bars", "steps"):
        x, y = chart.column(chart.x), chart.column(chart.y[0])
        shown = [row for row in rows if row[x.name] is not None and row[y.name] is not None][:MOST_BARS]
        if shown:
            _vega(_bar_spec(chart, shown, x, y), f"{chart.title}: {_listed(shown, x, y)}")
    elif chart.kind == "cohorts":
        _vega(_cohort_spec(chart, rows), f"{chart.title}: the table below has every number.")


def table_html(chart: Chart, result: ChartResult, link: Link) -> str:
    """Every row in words; words that can be chosen are links."""
    shown = result.dicts()[:MOST_ROWS]
    head = "".join(f'<th scope="col"{_side(column)}>{escape(column.title)}</th>' for column in chart.columns)
    body = "".join(
        "<tr>" + "".join(f"<td{_side(column)}>{_cell(column, row, link)}</td>" for column in chart.columns) + "</tr>"
        for row in shown
    )
    more = len(result.rows) - len(shown)
    rest = f'<p class="sq-facts">{more:,} more rows are in the files.</p>' if more > 0 else ""
    return (
        f'<div class="sq-scroll" tabindex="0" role="region" aria-label="{escape(chart.title)} as a table">'
        f'<table class="sq-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}'
    )


def _cell(column: Column, row: dict[str, Any], link: Link) -> str:
    value = row[column.name]
    said = escape(spoken(value, column.unit))
    address = link(column.name, str(value)) if column.unit == "word" and value is not None else None
    return f'<a class="sq-link" href="{escape(address)}" target="_self">{said}</a>' if address else said


def _side(column: Column) -> str:
    return "" if column.unit in ("word", "day") else ' class="sq-num"'


def _over_time(chart: Chart, rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]], Column]]:
    """A small chart for each thing that is drawn: its title and its points."""
    if chart.series:
        column = chart.column(chart.y[0])
        kinds = list(dict.fromkeys(row[chart.series] for row in rows))
        return [
            (
                named(kind).capitalize(),
                _points(chart, [row for row in rows if row[chart.series] == kind], column),
                column,
            )
            for kind in kinds
        ]
    return [(column.title, _points(chart, rows, column), column) for column in map(chart.column, chart.y)]


def _points(chart: Chart, rows: Sequence[dict[str, Any]], column: Column) -> list[dict[str, Any]]:
    return [
        {
            "x": drawn(row[chart.x], "day"),
            "y": drawn(row[column.name], column.unit),
            "day": spoken(row[chart.x], "day"),
            "said": spoken(row[column.name], column.unit),
        }
        for row in rows
        if row[column.name] is not None
    ]


def _say(title: str, values: Sequence[dict[str, Any]], column: Column) -> str:
    if not values:
        return f"{title}: nothing."
    most = max(values, key=lambda point: point["y"])
    return f"{title}: {len(values)} points from {values[0]['day']} to {values[-1]['day']}, at most {most['said']} on {most['day']}."  # noqa: E501


def _listed(rows: Sequence[dict[str, Any]], x: Column, y: Column) -> str:
    return ", ".join(f"{spoken(row[x.name], x.unit)} {spoken(row[y.name], y.unit)}" for row in rows)


def _vega(spec: dict[str, Any], alt: str) -> None:
    st.vega_lite_chart(spec=spec, width="stretch", alt=alt)


def _time_spec(values: list[dict[str, Any]], column: Column, first: date, last: date, *, weeks: bool) -> dict[str, Any]:
    tooltip = [{"field": "day", "title": "Day"}, {"field": "said", "title": column.title}]
    axis: dict[str, Any] = {"title": None, "tickCount": 3, "format": FORMATS.get(column.unit, "~s")}
    if column.unit == "ms":
        axis = {
            "title": None,
            "tickCount": 3,
            "labelExpr": "datum.value >= 1000 ? datum.value / 1000 + ' s' : datum.value + ' ms'",
        }
    mark: dict[str, Any] = {"type": "bar", "color": ACCENT, "cornerRadiusEnd": 2, "width": {"band": 0.8}}
    x: dict[str, Any] = {
        "field": "x", "type": "temporal", "title": None, "axis": {"format": "%-d %b", "grid": False, "tickCount": 6},
        "scale": {"type": "utc", "domain": [first.isoformat(), last.isoformat()]}, "timeUnit": "utcyearmonthdate",
    }  # fmt: skip
    if column.unit == "ms":
        mark = {"type": "line", "color": ACCENT, "point": {"color": ACCENT, "size": 28}, "strokeWidth": 2}
        del x["timeUnit"]
    elif weeks:
        mark = {"type": "bar", "color": ACCENT, "cornerRadiusEnd": 2, "width": 14}
        x["scale"] = {"type": "utc", "padding": 14}
        x["axis"]["values"] = _days_of(values)
        del x["timeUnit"]
    return {
        "data": {"values": values}, "height": 110, "mark": mark,
        "encoding": {
            "x": x, "y": {"field": "y", "type": "quantitative", "axis": axis, "scale": {"zero": True}},
            "tooltip": tooltip,
        },
    }  # fmt: skip


def _days_of(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The days that an axis of weeks names: those its bars stand on, six or so of them."""
    days = sorted({date.fromisoformat(str(value["x"])[:10]) for value in values})
    some = days[:: max(1, len(days) // 6)]
    return [{"year": day.year, "month": day.month, "date": day.day, "utc": True} for day in some]


def _bar_spec(chart: Chart, rows: Sequence[dict[str, Any]], x: Column, y: Column) -> dict[str, Any]:
    values = [
        {"x": spoken(row[x.name], x.unit), "y": drawn(row[y.name], y.unit), "said": _told(chart, row, y)}
        for row in rows
    ]
    most = max(value["y"] for value in values)
    shared = {
        "y": {
            "field": "x",
            "type": "nominal",
            "sort": None,
            "title": None,
            "axis": {"labelLimit": 190, "ticks": False},
        },
        "x": {"field": "y", "type": "quantitative", "axis": None, "scale": {"domain": [0, 1.18 * max(most, 1)]}},
        "tooltip": [{"field": "x", "title": x.title}, {"field": "said", "title": y.title}],
    }
    text = {"type": "text", "align": "left", "dx": 5, "fontWeight": 600}
    return {
        "data": {"values": values}, "height": {"step": 26}, "encoding": shared,
        "layer": [
            {"mark": {"type": "bar", "color": ACCENT, "cornerRadiusEnd": 3, "height": {"band": 0.7}}},
            {"mark": text, "encoding": {"text": {"field": "said"}}},
        ],
    }  # fmt: skip


def _told(chart: Chart, row: dict[str, Any], y: Column) -> str:
    said = spoken(row[y.name], y.unit)
    return f"{said} · {spoken(row['share'], 'share')}" if chart.kind == "steps" and row["share"] is not None else said


def _cohort_spec(chart: Chart, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values = [
        {
            "week": row["weeks"], "cohort": drawn(row["cohort"], "day"), "share": row["share"],
            "began": spoken(row["cohort"], "day"), "said": spoken(row["share"], "share"), "people": row["people"],
        }
        for row in rows
        if row["share"] is not None
    ]  # fmt: skip
    return {
        "data": {"values": values}, "height": {"step": 26},
        "encoding": {
            "x": {"field": "week", "type": "ordinal", "title": "Weeks later",
                  "axis": {"labelAngle": 0, "orient": "top"}},
            "y": {"field": "cohort", "type": "ordinal", "title": None,
                  "axis": {"labelExpr": "utcFormat(toDate(datum.value), '%-d %b %Y')", "ticks": False}},
            "tooltip": [
                {"field": "began", "title": "Began in the week of"}, {"field": "week", "title": "Weeks later"},
                {"field": "people", "title": "People"}, {"field": "said", "title": "Of the first week"},
            ],
        },
        "layer": [
            {"mark": {"type": "rect", "cornerRadius": 2}, "encoding": {"color": {
                "field": "share", "type": "quantitative", "legend": None,
                "scale": {"domain": [0, 1], "range": [PALE, ACCENT]},
            }}},
            {"mark": {"type": "text", "fontSize": 11}, "encoding": {
                "text": {"field": "share", "type": "quantitative", "format": ".0%"},
                "color": {"condition": {"test": "datum.share > 0.55", "value": "#ffffff"}, "value": INK},
            }},
        ],
    }  # fmt: skip
