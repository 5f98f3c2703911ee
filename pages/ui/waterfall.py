"""The waterfall of a run: one bar a step, waiting as a thin line and running as a bar, cost on hover."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import streamlit as st

from core.execution.domain import AttemptView, StepRunView
from core.shared.money import format_credits
from pages.ui.badges import look_of, step_state
from pages.ui.words import count, duration, joined

TICKS = 4
_KEY = (
    '<div class="sq-facts sq-line"><span><span class="sq-key"></span>waiting</span>'
    '<span><span class="sq-key sq-ran"></span>running, its cost on hover</span>{more}</div>'
)
_PERSON = '<span><span class="sq-key sq-ran sq-asked"></span>waiting for a person</span>'


@dataclass(frozen=True)
class Spell:
    """A time in which a step ran; `ended_at` None while it still does."""

    started_at: datetime
    ended_at: datetime | None
    state: str


@dataclass(frozen=True)
class Bar:
    """One step: since when it could run, and each attempt. `note`: where it led, or why it was skipped."""

    step_id: str
    state: str
    ready_at: datetime
    spells: tuple[Spell, ...]
    credit_micros: int
    href: str
    current: bool = False
    depth: int = 0
    note: str = ""


def bars_of(
    steps: Sequence[StepRunView],
    needs: Mapping[str, frozenset[str]],
    *,
    created_at: datetime,
    href: Callable[[str], str],
    current: str | None = None,
    notes: Mapping[str, str] | None = None,
) -> list[Bar]:
    """The bars of a run's steps. A step could run once all it needs had ended; one inside another, at once."""
    ends = {step.step_id: step.completed_at for step in steps if step.completed_at is not None}
    bars = []
    for step in steps:
        before = [ends[need] for need in needs.get(step.step_id, ()) if need in ends]
        spells = tuple(
            Spell(attempt.started_at, attempt.completed_at, _state(step, attempt)) for attempt in step.attempts
        )
        ready_at = max(before, default=created_at)
        if spells:
            ready_at = spells[0].started_at if step.depth else min(ready_at, spells[0].started_at)
        state = step_state(step.status, step.error)
        credits, is_current = step.credit_micros, step.step_id == current
        if step.status == "skipped":
            spells = ()
        note = (notes or {}).get(step.step_id) or (step.reason or "" if step.status == "skipped" else "")
        place = (href(step.step_id), is_current, step.depth, note)
        bars.append(Bar(step.step_id, state, ready_at, spells, credits, *place))
    return bars


def _state(step: StepRunView, attempt: AttemptView) -> str:
    """The time a person took is waiting, whatever they decided."""
    state = step_state(attempt.status, attempt.error)
    return "waiting" if step.type == "human_review" and state in ("completed", "waiting") else state


def draw_waterfall(bars: Sequence[Bar], *, created_at: datetime, now: datetime) -> None:
    """Draws the bars over the time from the run's making to its last end (or now)."""
    asked = any(spell.state == "waiting" for bar in bars for spell in bar.spells)
    st.html(waterfall_html(bars, created_at=created_at, now=now) + _KEY.format(more=_PERSON if asked else ""))


def waterfall_html(bars: Sequence[Bar], *, created_at: datetime, now: datetime) -> str:
    """The chart as HTML, readable row by row without seeing it."""
    ends = [spell.ended_at or now for bar in bars for spell in bar.spells]
    span = max((max(ends, default=created_at) - created_at).total_seconds(), 0.001)

    def share(moment: datetime) -> float:
        return min(max((moment - created_at).total_seconds() / span * 100, 0), 100)

    rows = "".join(_row(bar, share, now) for bar in bars)
    ticks = "".join(
        f"<span>{duration(span * 1000 * tick / TICKS) if tick else '0 s'}</span>" for tick in range(TICKS + 1)
    )
    return (
        f'<div class="sq-fall" role="list" aria-label="Time line of {count(len(bars), "step")}">{rows}'
        f'<div></div><div class="sq-ticks" aria-hidden="true">{ticks}</div><div class="sq-end"></div></div>'
    )


def _row(bar: Bar, share: Callable[[datetime], float], now: datetime) -> str:
    look = look_of(bar.state)
    current = ' aria-current="true"' if bar.current else ""
    indent = f' style="padding-left:{0.9 * bar.depth:.1f}rem"' if bar.depth else ""
    name = f'<a href="{escape(bar.href)}" target="_self" role="listitem"{current}{indent}>{escape(bar.step_id)}</a>'
    if not bar.spells:
        why = f'<span class="sq-why">{escape(bar.note)}</span>' if bar.note else ""
        return f'{name}<div class="sq-track">{why}</div><div class="sq-end">{escape(look.word.lower())}</div>'
    ran = sum(((spell.ended_at or now) - spell.started_at).total_seconds() for spell in bar.spells) * 1000
    whole = ((bar.spells[-1].ended_at or now) - bar.ready_at).total_seconds() * 1000
    cost = format_credits(bar.credit_micros)
    tries = f"{len(bar.spells)} attempts" if len(bar.spells) > 1 else None
    waited = duration(max(whole - ran, 0))
    hover = escape(f"{bar.step_id}: waited {waited}, ran {duration(ran)}, {look.word.lower()}, {cost}")
    said = joined(bar.note, tries, duration(ran), cost if bar.credit_micros else None)
    return (
        f'{name}<a class="sq-track" href="{escape(bar.href)}" target="_self" tabindex="-1" aria-hidden="true" '
        f'title="{hover}">{"".join(_pieces(bar, share, now))}</a>'
        f'<div class="sq-end">{escape(said)}</div>'
    )


def _pieces(bar: Bar, share: Callable[[datetime], float], now: datetime) -> Iterator[str]:
    waits_since = bar.ready_at
    for spell in bar.spells:
        left, start, end = share(waits_since), share(spell.started_at), share(spell.ended_at or now)
        if start > left:
            yield f'<span class="sq-wait" style="left:{left:.2f}%;width:{start - left:.2f}%"></span>'
        place = f"left:{min(start, 99.2):.2f}%;width:{max(end - start, 0.6):.2f}%"
        yield f'<span class="sq-bar sq-{look_of(spell.state).colour}" style="{place}"></span>'
        waits_since = spell.ended_at or now
