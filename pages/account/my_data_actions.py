"""What the buttons of My data do: each one command, for who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.bootstrap import get_runtime
from core.privacy import commands
from core.privacy.asking import ask
from core.privacy.domain import GROUNDS, Details, Right
from pages.ui.memory import ask_dialog, forget_widgets, recall, widget_text
from pages.ui.notices import attempt, say
from pages.ui.session import current_session, guarded

DONE = {
    "access": "We have your request. A mail says when your copy is ready.",
    "portability": "We have your request. A mail says when your data is ready.",
    "rectification": "We have your correction.",
    "erasure": "We have your request. A mail confirms it.",
    "restriction": "Nothing uses your data any more, but to keep it.",
    "objection": "Analytics and news are stopped.",
}


@guarded
def open_dialog(right: Right) -> None:
    """Ask what belongs to a right before it is used."""
    ask_dialog(right)


@guarded
def use(right: Right) -> None:
    """Use a right that needs no words."""
    _ask(right, Details())


@guarded
def correct() -> None:
    """Send what was typed into the correction."""
    account = current_session(get_runtime()).account
    name, email = widget_text("correct-name").strip(), widget_text("correct-email").strip()
    language, text = widget_text("correct-language"), widget_text("correct-text")
    details = Details(
        text,
        name if name != account.name else None,
        language if language != account.language else None,
        email if email and email.lower() != account.email else None,
    )
    _ask("rectification", details, "correct-text")


@guarded
def erase() -> None:
    """Ask for the deletion, in 72 hours or at once."""
    _ask("erasure", Details(at_once=bool(recall("erase-now"))))


@guarded
def restrict() -> None:
    """Restrict, with a ground or without one."""
    ground = recall("restrict-ground")
    _ask(
        "restriction",
        Details(widget_text("restrict-text"), ground=ground if ground in GROUNDS else None),
        "restrict-text",
    )


@guarded
def object_to() -> None:
    """Object: to analytics and news, and with words to something else as well."""
    _ask("objection", Details(widget_text("object-text")), "object-text")


@guarded
def withdraw(request_id: str) -> None:
    """Take a request back."""
    _do(lambda runtime, session: commands.withdraw(runtime, session, request_id), "Taken back.")


@guarded
def begin_now(request_id: str) -> None:
    """Have a deletion begin."""
    _do(lambda runtime, session: commands.begin_now(runtime, session, request_id), "It begins now.")


@guarded
def write(request_id: str) -> None:
    """Send what was typed to the privacy team."""
    key = f"message-{request_id}"
    text = widget_text(key)
    if _do(lambda runtime, session: commands.write_message(runtime, session, request_id, text), "Sent."):
        forget_widgets(key)


@guarded
def end_restriction() -> None:
    """End every restriction of one's own."""
    _do(commands.end_own_restriction, "Your data is used again.")


@guarded
def end_objection() -> None:
    """Take the objection back."""
    _do(commands.end_objection, "Taken back. What you chose under preferences counts again.")


def _ask(right: Right, details: Details, *typed: str) -> None:
    if _do(lambda runtime, session: ask(runtime, session, right, details), DONE[right]):
        forget_widgets(*typed)


def _do(act: Callable[..., Any], done: str) -> bool:
    runtime = get_runtime()
    session = current_session(runtime)
    worked = attempt(lambda: act(runtime, session))
    if worked:
        say(done)
    return worked
