"""The numbers of charts in words: with their unit, and what became of them since the time before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from core.accounts.plans import PLANS
from core.analytics.charts import Figure, Unit
from core.shared.money import MICROS, format_credits
from pages.ui.words import count, duration, vendor

STAGES = {
    "signed_up": "Signed up", "first_pipeline": "First pipeline", "first_run": "First run",
    "first_completed": "First completed run", "tenth_run": "Tenth run",
}  # fmt: skip
WORDS = {
    **STAGES, "manual": "By hand", "api": "API", "cron": "Schedule", "webhook": "Webhook", "retry": "Retry",
    "pipeline": "A pipeline", "under_way": "Under way",
}  # fmt: skip
CENT_MICROS = 1_000_000
OTHERS = "Others, folded"


def spoken(value: Any, unit: Unit) -> str:
    """A value for people; a word that was folded away is said to be."""
    if value is None:
        return OTHERS if unit == "word" else "–"
    if unit == "word":
        return named(str(value))
    if unit == "day":
        return f"{value.day} {value:%b %Y}" if isinstance(value, date) else str(value)
    if unit == "ms":
        return duration(value) or "0 ms"
    if unit == "credits":
        return format_credits(int(value))
    if unit == "money":
        return _dollars(value)
    if unit == "share":
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}"


def named(word: str) -> str:
    """A word of the catalogue, as people say it."""
    if word in PLANS:
        return PLANS[word].title
    if word in WORDS:
        return WORDS[word]
    if word in ("anthropic", "openai", "demo"):
        return vendor(word)
    return word if any(sign in word for sign in "/-0123456789") else word.replace(".", " ").replace("_", " ")


def drawn(value: Any, unit: Unit) -> Any:
    """A value on the scale of a drawing: dollars, credits, the rest as it is."""
    if value is None:
        return None
    if unit == "money":
        return value / CENT_MICROS / 100
    if unit == "credits":
        return value / MICROS
    return value.isoformat() if isinstance(value, date) else value


def figure_of(figure: Figure, rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The number over a chart; None where there is nothing to count."""
    mine = [row for row in rows if figure.where is None or row[figure.where[0]] == figure.where[1]]
    if not mine:
        return None
    total = sum(row[figure.column] or 0 for row in mine)
    if not figure.over:
        return total
    of = sum(row[figure.over] or 0 for row in mine)
    return total / of if of else None


def compared(figure: Figure, now: float | None, before: float | None, days: int) -> tuple[str, str]:
    """What became of a number since as many days before, in words with a sign, and a colour that only repeats it."""
    span = f"the {count(days, 'day')} before"
    if now is None or before is None:
        return (f"nothing to compare in {span}" if now is not None else "", "gray")
    if figure.unit == "share":
        points = 100 * (now - before)
        size, more = f"{abs(points):.1f} points", points > 0
        same = abs(points) < 0.05
    elif not before:
        return f"none in {span}", "gray"
    else:
        part = 100 * (now - before) / before
        size, more = f"{abs(part):,.0f} %", part > 0
        same = abs(part) < 0.5
    if same:
        return f"= as in {span}", "gray"
    colour = "gray" if not figure.better else "green" if more == (figure.better == "more") else "red"
    return f"{'▲' if more else '▼'} {size} {'more' if more else 'less'} than {span}", colour


def _dollars(micro_cents: float) -> str:
    dollars = micro_cents / CENT_MICROS / 100
    if dollars and abs(dollars) < 0.01:
        return "< $0.01" if dollars > 0 else "> −$0.01"
    return f"{'−' if dollars < 0 else ''}${abs(dollars):,.2f}"
