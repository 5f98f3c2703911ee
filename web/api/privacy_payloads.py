"""What goes in and out about requests of data subjects."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.privacy.domain import (
    LONGEST_TEXT,
    Actor,
    Channel,
    Ground,
    Identity,
    Outcome,
    PrivacyRequestView,
    Right,
    Status,
)
from core.privacy.queries import RequestFile
from core.privacy.words import event_words
from core.shared.clock import iso_z
from web.api.shapes import Inward


class PrivacyRequestBody(Inward):
    """A right to use, and what is said with it."""

    right: Right
    text: str = Field(
        "",
        max_length=LONGEST_TEXT,
        description="What is wrong (rectification), why we should stop (objection: beyond analytics and news), why "
        "(restriction), or a note. With one of the first three somebody decides, and the use of your data is "
        "restricted until then.",
    )
    name: str | None = Field(None, max_length=200, description="Rectification: your name as it should be.")
    language: Literal["en", "fr"] | None = Field(None, description="Rectification: the language of mails.")
    email: str | None = Field(
        None, max_length=320, description="Rectification: your address as it should be; a link is mailed there."
    )
    ground: Ground | None = Field(None, description="Restriction: GDPR Art. 18(1)(a) to (d); without one it is yours.")
    at_once: bool = Field(False, description="Erasure: begin now, not in 72 hours.")


class PrivacyRequestItem(BaseModel):
    """A request. `due_at` is the promise; `extended_until`, where set, when it is answered at the latest."""

    id: str
    right: Right
    status: Status
    outcome: Outcome | None
    received_at: datetime
    due_at: datetime
    extended_until: datetime | None
    overdue: bool
    start_at: datetime | None
    closed_at: datetime | None
    channel: Channel
    identity: Identity | None


class PrivacyEvent(BaseModel):
    """A line of the time line."""

    at: datetime
    actor: Actor
    code: str
    says: str
    status: Status
    text: str


class PrivacyStep(BaseModel):
    """A step that carries the request out, with what it counted."""

    name: str
    done: bool
    counts: dict[str, int]
    done_at: datetime | None


class PrivacyRequestAnswer(PrivacyRequestItem):
    """A request with its time line, its steps, and the reason of a decision."""

    events: list[PrivacyEvent]
    steps: list[PrivacyStep]
    reason: str | None


def request_json(request: PrivacyRequestView, now: datetime) -> dict[str, Any]:
    """A request as clients see one."""
    return {
        "id": request.id,
        "right": request.right,
        "status": request.status,
        "outcome": request.outcome,
        "received_at": iso_z(request.received_at),
        "due_at": iso_z(request.due_at),
        "extended_until": _moment(request.extended_until),
        "overdue": request.is_overdue(now),
        "start_at": _moment(request.start_at),
        "closed_at": _moment(request.closed_at),
        "channel": request.channel,
        "identity": request.identity,
    }


def file_json(file: RequestFile, now: datetime) -> dict[str, Any]:
    """A request with all of it; who handled it is not told by name or id."""
    decided = file.decision is not None and file.decision.state == "final"
    return {
        **request_json(file.request, now),
        "events": [
            {
                "at": iso_z(event.at),
                "actor": event.actor,
                "code": event.code,
                "says": event_words(event.code),
                "status": event.after,
                "text": event.text,
            }
            for event in file.events
        ],
        "steps": [
            {"name": step.name, "done": step.is_done, "counts": dict(step.counts), "done_at": _moment(step.done_at)}
            for step in file.steps
        ],
        "reason": file.decision.reason if decided and file.decision else None,
    }


def _moment(moment: datetime | None) -> str | None:
    return iso_z(moment) if moment else None
