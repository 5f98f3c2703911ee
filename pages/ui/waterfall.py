"""The waterfall of a run: a bar a step, waiting as a thin line and running as a bar, cost on hover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import streamlit as st

from core.shared.money import format_credits
from pages.ui.badges import look_of
from pages.ui.words import duration, joined


@dataclass(frozen=True)
class Bar:
    """One step: when it became ready, ran and ended; None where that has not happened."""

    step_id: str
    status: str
    started_at: datetime | None
    completed_at: datetime | None
    credit_micros: int
    href: str


def draw_waterfall(bars: Sequence[Bar], *, created_at: datetime, now: datetime) -> None:
    """Draws the bars over the time from the run's making to its last end (or now)."""
    st.html(waterfall_html(bars, created_at=created_at, now=now))


def waterfall_html(bars: Sequence[Bar], *, created_at: datetime, now: datetime) -> str:
    """The chart as HTML, readable row by row without seeing it."""
    ends = [bar.completed_at or now for bar in bars if bar.started_at is not None]
    span = max((max(ends, default=created_at) - created_at).total_seconds(), 0.001)

    def share(moment: datetime) -> float:
        return min(max((moment - created_at).total_seconds() / span * 100, 0), 100)

    rows = "".join(_row(bar, share, created_at, now) for bar in bars)
    return f'<div class="sq-fall" role="list" aria-label="Time line of {len(bars)} steps">{rows}</div>'


def _row(bar: Bar, share: Callable[[datetime], float], created_at: datetime, now: datetime) -> str:
    look = look_of(bar.status)
    name = f'<a href="{escape(bar.href)}" target="_self" role="listitem">{escape(bar.step_id)}</a>'
    if bar.started_at is None:
        return f'{name}<div class="sq-track"></div><div class="sq-end">{escape(look.word.lower())}</div>'
    end = bar.completed_at or now
    ran = (end - bar.started_at).total_seconds() * 1000
    waited = (bar.started_at - created_at).total_seconds() * 1000
    start, width = share(bar.started_at), share(end) - share(bar.started_at)
    place = f"left:{min(start, 99.2):.2f}%;width:{max(width, 0.6):.2f}%"
    cost = format_credits(bar.credit_micros)
    hover = escape(f"{bar.step_id}: waited {duration(waited)}, ran {duration(ran)}, {look.word.lower()}, {cost}")
    return (
        f'{name}<div class="sq-track" title="{hover}">'
        f'<span class="sq-wait" style="left:0;width:{start:.2f}%"></span>'
        f'<span class="sq-bar sq-{look.colour}" style="{place}"></span>'
        "</div>"
        f'<div class="sq-end">{escape(joined(duration(ran), cost))}</div>'
    )
