"""What was quoted beside what was charged, as bars on one scale: for a run, and for each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from core.execution.domain import ACTIVE, RunView
from core.shared.money import format_credits
from pages.ui.words import credits_range

KEY = (
    '<div class="sq-facts sq-line"><span><span class="sq-key sq-could"></span>quoted, low to most</span>'
    '<span><span class="sq-key sq-usual"></span>likely</span>'
    '<span><span class="sq-key sq-was"></span>charged</span></div>'
)


@dataclass(frozen=True)
class QuoteBar:
    """A row: low, likely and most as quoted, and what was charged, in micro-credits."""

    name: str
    low: int
    likely: int
    most: int
    charged: int
    is_over: bool = True


def quote_bars_of(run: RunView) -> list[QuoteBar]:
    """The whole run, then each of its steps that could cost something."""
    over = run.status not in ACTIVE
    whole = run.quote
    bars = [QuoteBar("Credits", whole.low_micros, whole.likely_micros, whole.max_micros, run.credit_micros, over)]
    for step in run.steps:
        quoted = whole.steps.get(step.step_id)
        if quoted is not None:
            bars.append(QuoteBar(step.step_id, *quoted, step.credit_micros, step.status not in (*ACTIVE, "pending")))
    return bars


def quote_bars_html(bars: Sequence[QuoteBar]) -> str:
    """The rows as HTML, all on one scale."""
    scale = max((max(bar.most, bar.charged) for bar in bars), default=1)
    rows = "".join(_row(bar, scale) for bar in bars)
    return f'<div class="sq-quotes" role="list" aria-label="Quoted and charged">{rows}</div>'


def _row(bar: QuoteBar, scale: int) -> str:
    def at(micros: int) -> float:
        return 100 * micros / scale if scale else 0

    span = max(at(bar.most) - at(bar.low), 0.6)
    charged = format_credits(bar.charged) if bar.is_over or bar.charged else "not yet"
    quoted = f"{credits_range(bar.low, bar.most)}, likely {format_credits(bar.likely)}"
    said = f"{bar.name}: quoted {quoted}; charged {charged}"
    return (
        f'<div role="listitem" class="sq-quote-row" aria-label="{escape(said)}" title="{escape(said)}">'
        f'<span class="sq-quote-name">{escape(bar.name)}</span>'
        f'<span class="sq-quote-track" aria-hidden="true">'
        f'<span class="sq-could" style="left:{at(bar.low):.2f}%;width:{span:.2f}%"></span>'
        f'<span class="sq-usual" style="left:{at(bar.likely):.2f}%"></span>'
        f'<span class="sq-was" style="width:{max(at(bar.charged), 0.6 if bar.charged else 0):.2f}%"></span></span>'
        f'<span class="sq-facts" aria-hidden="true">{escape(credits_range(bar.low, bar.most))}</span>'
        f'<b aria-hidden="true">{escape(charged)}</b></div>'
    )
