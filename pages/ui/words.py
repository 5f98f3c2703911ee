"""Numbers and times as people read them: always with a unit, exact on hover."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from core.shared.money import format_credits

_PLURALS = {"entry": "entries", "delivery": "deliveries"}
_TRIGGERS = {"manual": "By hand", "api": "API", "cron": "Schedule", "webhook": "Webhook", "retry": "Retry"}
_VENDORS = {"anthropic": "Anthropic", "openai": "OpenAI", "demo": "Demo model"}


def count(number: int, noun: str) -> str:
    """`3 steps`, `1 step`, `1,204 rows`."""
    return f"{number:,} {noun if number == 1 else _PLURALS.get(noun, noun + 's')}"


def many(number: int, most: int) -> str:
    """`1,204`, or `10,000+` for what was counted no further."""
    return f"{number:,}" if number <= most else f"{most:,}+"


def duration(milliseconds: int | float | None) -> str:
    """`0.9 s`, `12 s`, `3 min 4 s`; empty when nothing was measured."""
    if milliseconds is None:
        return ""
    seconds = milliseconds / 1000
    if seconds < 0.1:
        return f"{round(milliseconds)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ago(moment: datetime, now: datetime) -> str:
    """`just now`, `2 min ago`, `3 h ago`, `yesterday`, then the date."""
    seconds = (now - moment).total_seconds()
    if seconds < 45:
        return "just now"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min ago"
    hours = round(seconds / 3600)
    if hours < 24:
        return f"{hours} h ago"
    days = (now.date() - moment.date()).days
    if days <= 1:
        return "yesterday"
    if days < 14:
        return f"{days} days ago"
    return f"{moment.day} {moment:%b %Y}"


def until(moment: datetime, now: datetime) -> str:
    """`in 20 min`, `in 3 h`, `in 2 days`; `now` when it is due."""
    seconds = (moment - now).total_seconds()
    if seconds <= 0:
        return "now"
    minutes = max(round(seconds / 60), 1)
    if minutes < 60:
        return f"in {minutes} min"
    hours = round(seconds / 3600)
    return f"in {hours} h" if hours < 48 else f"in {round(seconds / 86400)} days"


def exact(moment: datetime) -> str:
    """The whole time, for the hover: `2026-11-23 11:25:17 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def time_html(moment: datetime | None, now: datetime) -> str:
    """A `<time>` element that reads relative and hovers exact."""
    if moment is None:
        return ""
    return (
        f'<time datetime="{moment.astimezone(UTC).isoformat()}" title="{exact(moment)}">'
        f"{escape(ago(moment, now))}</time>"
    )


def tokens(number: int | None) -> str:
    """`412 tok`; empty when unknown or zero."""
    return f"{number:,} tok" if number else ""


def credits_range(low: int, high: int) -> str:
    """A quote in micro-credits as `0.2–1.4 cr`, one number when both ends agree."""
    if format_credits(low) == format_credits(high):
        return format_credits(high)
    return f"{format_credits(low).removesuffix(' cr')}–{format_credits(high)}"


def size(characters: int) -> str:
    """`812 characters`, `1.2 MB`: how much text there is."""
    if characters < 10_000:
        return count(characters, "character")
    if characters < 1_000_000:
        return f"{characters / 1000:.0f} KB"
    return f"{characters / 1_000_000:.1f} MB"


def bytes_size(number: int) -> str:
    """`812 bytes`, `4 KB`, `1.2 MB`: how large a file is."""
    if number < 1024:
        return count(number, "byte")
    kilobytes = number / 1024
    return f"{kilobytes:.0f} KB" if kilobytes < 1000 else f"{kilobytes / 1024:.1f} MB"


def joined(*parts: str | None) -> str:
    """The non-empty parts with a middle dot between."""
    return " · ".join(part for part in parts if part)


def trigger(name: str) -> str:
    """What started a run: `By hand`, `Schedule`, ...; an unknown one by its own name."""
    return _TRIGGERS.get(name, name)


def vendor(name: str) -> str:
    """A provider as it writes itself; a partner by the name its operator gave it."""
    return _VENDORS.get(name, name)
