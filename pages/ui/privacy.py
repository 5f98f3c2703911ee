"""How a request of a data subject is drawn: its state, the days it has left, its time line, its steps."""

from __future__ import annotations

from datetime import datetime
from html import escape

from core.privacy.domain import PrivacyRequestView
from core.privacy.queries import EventView, StepView
from core.privacy.rights import WORDS
from core.privacy.words import RIGHT_NAMES, event_words, state_words
from pages.ui.badges import icon, text_badge
from pages.ui.words import count, exact, joined, time_html

ICONS = {
    "access": "visibility",
    "rectification": "edit",
    "erasure": "delete",
    "restriction": "pause_circle",
    "portability": "drive_file_move",
    "objection": "block",
}
COLOURS = {"fulfilled": "green", "partial": "amber", "refused": "red", "withdrawn": "gray"}
WHO = {"system": "the system", "person": "you", "privacy_admin": "the privacy team"}


def head_html(request: PrivacyRequestView) -> str:
    """The right, the state, and a sign where an answer is late."""
    return (
        f'<div class="sq-row">{icon(ICONS[request.right])}<span class="sq-id">{RIGHT_NAMES[request.right]}</span>'
        f'{state_badge(request)}<span class="sq-facts">{WORDS[request.right].article}</span></div>'
    )


def state_badge(request: PrivacyRequestView) -> str:
    """Where a request stands."""
    colour = COLOURS[request.outcome] if request.outcome else "blue"
    if request.status in ("awaiting_identity", "awaiting_decision"):
        colour = "violet"
    return text_badge(state_words(request).lower(), colour)


def days_left_html(request: PrivacyRequestView, now: datetime) -> str:
    """A bar that fills from the receipt to the day of the answer, with what is left in words."""
    whole = request.answer_by - request.received_at
    share = min(max((now - request.received_at) / whole, 0.0), 1.0)
    left = request.answer_by - now
    late = request.is_overdue(now)
    days = abs(left.days) if not late else (now - request.answer_by).days
    said = f"late by {count(days, 'day')}" if late else f"{count(days, 'day')} left"
    if request.extended_until is not None:
        said += ", extended"
    colour = " sq-late" if late or left.days < 3 else " sq-full" if left.days < 7 else ""
    day = f"{request.answer_by.day} {request.answer_by:%b %Y}"
    return (
        f'<div class="sq-due" title="{exact(request.answer_by)}"><div class="sq-meter{colour}" role="img" '
        f'aria-label="{said}, answered by {day}"><span style="width:{share:.0%}"></span></div>'
        f'<span class="sq-facts">{said} · answered by {day}</span></div>'
    )


def timeline_html(events: tuple[EventView, ...], now: datetime, *, admin: bool = False) -> str:
    """What happened, oldest first; what was said stands under its line."""
    lines = "".join(
        f'<li><span class="sq-line-at">{time_html(event.at, now)}</span><span>{escape(_says(event, admin))}'
        f'<span class="sq-facts"> · {_who(event, admin)}</span>{_quote(event.text)}</span></li>'
        for event in events
    )
    return f'<ol class="sq-timeline">{lines}</ol>'


def steps_html(steps: tuple[StepView, ...], says: dict[str, str]) -> str:
    """What carried a request out, with what was counted; empty where nothing was yet."""
    rows = "".join(
        f"<tr><td>{escape(says.get(step.name, step.name.replace('_', ' ').capitalize()))}</td>"
        f"<td>{text_badge('done', 'green') if step.is_done else text_badge('waits', 'amber')}</td>"
        f"<td>{escape(_counted(step))}</td></tr>"
        for step in steps
    )
    if not rows:
        return ""
    head = "<thead><tr><th>Step</th><th>State</th><th>Counted</th></tr></thead>"
    return f'<div class="sq-scroll"><table class="sq-table">{head}<tbody>{rows}</tbody></table></div>'


def _counted(step: StepView) -> str:
    counts = joined(*(f"{name.replace('_', ' ')}: {number:,}" for name, number in step.counts.items()))
    tries = f"{step.attempts} tries, last: {step.error_code}" if step.error_code and not step.is_done else ""
    return joined(counts, tries)


def _says(event: EventView, admin: bool) -> str:
    said = event_words(event.code)
    return (
        said.replace("you had", "they had").replace("You had", "They had").replace("your", "their") if admin else said
    )


def _who(event: EventView, admin: bool) -> str:
    if admin and event.actor == "person":
        return "the person"
    if admin and event.actor_id and event.actor == "privacy_admin":
        return f"privacy admin {escape(event.actor_id[-8:])}"
    return WHO[event.actor]


def _quote(text: str) -> str:
    return f'<div class="sq-quote">{escape(text)}</div>' if text else ""
