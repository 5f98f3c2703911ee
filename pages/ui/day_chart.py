"""Credits by day as columns: a picture that says in words what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape

from core.shared.money import format_credits
from pages.ui.words import count

MOST_COLUMNS = 62
"""More days than these are shown by month."""


def day_chart_html(days: Sequence[tuple[date, int]]) -> str:
    """The columns as HTML. `days`: micro-credits of each day, none left out."""
    columns = list(days) if len(days) <= MOST_COLUMNS else months_of(days)
    by_month = len(columns) != len(days)
    most = max((micros for _, micros in columns), default=0)
    bars = "".join(_bar(day, micros, most, by_month=by_month) for day, micros in columns)
    first, last = _name(columns[0][0], by_month=by_month), _name(columns[-1][0], by_month=by_month)
    peak = next((day for day, micros in columns if micros == most), columns[0][0])
    total = format_credits(sum(micros for _, micros in columns))
    said = f"{total} in {count(len(columns), 'month' if by_month else 'day')}"
    said += f", at most {format_credits(most)} on {_name(peak, by_month=by_month)}" if most else ""
    title = f"Credits by {'month' if by_month else 'day'}"
    return columns_html(title, said, bars, most=format_credits(most), first=first, last=last)


def columns_html(title: str, said: str, bars: str, *, most: str, first: str, last: str, kind: str = "") -> str:
    """Columns over time in their frame: the largest value, the first and the last day, and in words what is shown."""
    return (
        f'<h2 class="sq-label">{title}</h2><div class="sq-days {kind}" role="img" aria-label="{title}: {escape(said)}">'
        f'<div class="sq-most" aria-hidden="true">{most}</div>{bars}</div>'
        f'<div class="sq-ticks sq-facts" aria-hidden="true"><span>{first}</span><span>{last}</span></div>'
    )


def day_name(day: date) -> str:
    """`24 Nov`."""
    return f"{day.day} {day:%b}"


def months_of(days: Sequence[tuple[date, int]]) -> list[tuple[date, int]]:
    """The same by month, each named by its first day."""
    months: dict[date, int] = {}
    for day, micros in days:
        first = day.replace(day=1)
        months[first] = months.get(first, 0) + micros
    return [*months.items()]


def _bar(day: date, micros: int, most: int, *, by_month: bool) -> str:
    height = max(100 * micros / most, 1.5) if micros else 0
    hover = escape(f"{_name(day, by_month=by_month)}: {format_credits(micros)}")
    return f'<span title="{hover}"><i style="height:{height:.1f}%"></i></span>'


def _name(day: date, *, by_month: bool) -> str:
    return f"{day:%b %Y}" if by_month else day_name(day)
