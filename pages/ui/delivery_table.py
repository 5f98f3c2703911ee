"""What a run sent where, and how each attempt went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from core.execution.delivery_queries import DeliveryAttemptView, DeliveryView
from pages.ui.badges import icon, state_badge
from pages.ui.words import count, duration, exact, joined, time_html, until

_ICONS = {"webhook": "webhook", "email": "mail", "file": "draft"}
_WHEN = {"deliver": "result", "on_success": "on success", "on_failure": "on failure"}
_WHY = {
    "HTTP_STATUS": "the receiver refused it",
    "MISSING_SECRET": "the signing secret no longer exists: save it again, then retry the run",
    "OUTBOUND_REFUSED": "the address may not be reached from here",
    "TIMEOUT": "no answer in time",
    "INTERNAL": "something broke on our side; it was logged",
}


def delivery_html(deliveries: Sequence[DeliveryView], now: datetime) -> str:
    """The table as HTML, a line a receiver with its attempts."""
    rows = "".join(_row(delivery, now) for delivery in deliveries)
    head = "<th>To</th><th>Status</th><th>Attempts</th>"
    return (
        f'<div class="sq-scroll" tabindex="0"><table class="sq-table sq-top"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(delivery: DeliveryView, now: datetime) -> str:
    kind = _WHEN.get(delivery.target.partition(".")[0], delivery.target)
    status = {"pending": "pending", "sent": "sent", "failed": "failed"}.get(delivery.status, delivery.status)
    when = ""
    if delivery.sent_at is not None:
        when = time_html(delivery.sent_at, now)
    elif delivery.next_attempt_at is not None and delivery.attempts:
        when = f"next attempt {escape(until(delivery.next_attempt_at, now))}"
    why = ""
    if delivery.status == "failed" and delivery.error_code:
        why = f'<div class="sq-facts">{escape(_WHY.get(delivery.error_code, delivery.error_code))}</div>'
    tries = "".join(f"<li>{_attempt(attempt)}</li>" for attempt in delivery.attempts)
    listed = f'<ul class="sq-tries">{tries}</ul>' if tries else '<span class="sq-facts">none yet</span>'
    return (
        f'<tr><td class="sq-left">{icon(_ICONS.get(delivery.kind, "send"))} <b>{escape(delivery.where)}</b>'
        f'<div class="sq-facts">{escape(joined(delivery.kind, kind))}</div></td>'
        f'<td>{state_badge(status)} <span class="sq-facts">{when}</span>{why}</td><td>{listed}</td></tr>'
    )


def _attempt(attempt: DeliveryAttemptView) -> str:
    answer = f"status {attempt.http_status}" if attempt.http_status else None
    wrong = None if attempt.error_code in (None, "HTTP_STATUS") else attempt.error_code
    said = joined(f"{attempt.number}.", answer, wrong, duration(attempt.duration_ms))
    return f'<span title="{exact(attempt.at)}">{escape(said)}</span>'


def delivery_title(deliveries: Sequence[DeliveryView]) -> str:
    """`2 deliveries, 1 failed`: what the heading says."""
    failed = sum(delivery.status == "failed" for delivery in deliveries)
    number = count(len(deliveries), "delivery")
    return f"{number}, {failed} failed" if failed else number
