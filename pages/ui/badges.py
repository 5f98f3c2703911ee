"""States as an icon, a word and a colour: never by colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class StateLook:
    """How one state is shown."""

    word: str
    icon: str
    colour: str
    spins: bool = False


_LOOKS = {
    "fresh": StateLook("fresh", "check", "green"),
    "stale": StateLook("stale", "history", "amber"),
    "invalid": StateLook("has an error", "error", "red"),
    "never": StateLook("not run", "radio_button_unchecked", "gray"),
    "pending": StateLook("queued", "schedule", "gray"),
    "running": StateLook("running", "progress_activity", "blue", spins=True),
    "waiting": StateLook("waiting", "hourglass_top", "violet"),
    "completed": StateLook("Completed", "check", "green"),
    "reused": StateLook("reused", "recycling", "green"),
    "failed": StateLook("failed", "error", "red"),
    "skipped": StateLook("skipped", "skip_next", "gray"),
    "cancelled": StateLook("Cancelled", "block", "gray"),
    "approved": StateLook("approved", "check", "green"),
    "rejected": StateLook("rejected", "close", "red"),
    "pinned": StateLook("pinned", "keep", "violet"),
    "sent": StateLook("sent", "check", "green"),
}
_RUN_WORDS = {"failed": "Failed", "running": "Running", "waiting": "Waiting", "pending": "Queued"}


def look_of(state: str) -> StateLook:
    """The look of a cell, step or run state; an unknown one is shown by its own name."""
    return _LOOKS.get(state) or StateLook(state, "help", "gray")


def icon(name: str) -> str:
    """A Material icon that says nothing to a screen reader."""
    return f'<span class="sq-icon" aria-hidden="true" translate="no">{escape(name)}</span>'


def state_badge(state: str, *, run: bool = False) -> str:
    """The badge of a state; `run=True` for the status of a whole run (Completed, Failed, ...)."""
    look = look_of(state)
    word = _RUN_WORDS.get(state, look.word) if run else look.word.lower()
    spin = " sq-spin" if look.spins else ""
    return f'<span class="sq-badge sq-{look.colour}{spin}">{icon(look.icon)}<span>{escape(word)}</span></span>'


def text_badge(word: str, colour: str = "gray", title: str = "") -> str:
    """A badge without an icon, for facts that are no state (`draft of v7`)."""
    hover = f' title="{escape(title)}"' if title else ""
    return f'<span class="sq-badge sq-text sq-{colour}"{hover}>{escape(word)}</span>'


def step_state(status: str, error: Mapping[str, object] | None) -> str:
    """The state to show of a step: what was stopped with its run has not failed."""
    return "cancelled" if status == "failed" and error and error.get("code") == "CANCELLED" else status
