"""What the buttons of the data requests do: each one command, for who is a privacy admin now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

from core.bootstrap import get_runtime
from core.privacy import deciding
from core.privacy.asking import enter_request
from core.privacy.domain import Details
from core.privacy.lifting import announce_lifting
from core.privacy.signatures import ROLE
from pages.ui.memory import forget_widgets, keep, recall, widget_text
from pages.ui.notices import attempt, say
from pages.ui.session import guarded, require_role

REVEALED = "privacy-revealed"


@guarded
def enter() -> None:
    """Enter what came by letter or mail."""
    received = _first_moment(recall("enter-day"))
    values = {
        "email": widget_text("enter-email").strip(),
        "right": recall("enter-right"),
        "channel": recall("enter-channel"),
        "received_at": received,
        "details": Details(widget_text("enter-text")),
        "evidence": widget_text("enter-evidence"),
    }
    if _do(lambda runtime, session: enter_request(runtime, session, **values), "Entered."):
        keep("enter-email", "")
        forget_widgets("enter-text", "enter-evidence")


@guarded
def decide(request_id: str) -> None:
    """Decide, with a reason."""
    verdict, reason = recall(f"verdict-{request_id}"), widget_text(f"reason-{request_id}")
    counted: list[bool] = []
    if _do(lambda runtime, session: counted.append(deciding.decide(runtime, session, request_id, verdict, reason)), ""):
        forget_widgets(f"reason-{request_id}")
        say("Decided. The person is told by mail." if counted[0] else "Signed once. It counts with a second signature.")


@guarded
def sign(request_id: str) -> None:
    """Sign second."""
    _do(lambda runtime, session: deciding.sign_second(runtime, session, request_id), "Signed. The person is told.")


@guarded
def drop(request_id: str) -> None:
    """Take a decision back before it is signed twice."""
    _do(lambda runtime, session: deciding.drop_decision(runtime, session, request_id), "Taken back.")


@guarded
def extend(request_id: str) -> None:
    """Take longer, with the notice."""
    day, reason = recall(f"until-{request_id}"), widget_text(f"extend-reason-{request_id}")
    if _do(
        lambda runtime, session: deciding.extend_to(runtime, session, request_id, day, reason),
        "Extended. The person is told why.",
    ):
        forget_widgets(f"extend-reason-{request_id}")


@guarded
def note_identity(request_id: str) -> None:
    """Note what showed who asked."""
    evidence = widget_text(f"evidence-{request_id}")
    _do(lambda runtime, session: deciding.note_identity(runtime, session, request_id, evidence), "Noted. It goes on.")


@guarded
def write(request_id: str) -> None:
    """Write to the person."""
    text = widget_text(f"write-{request_id}")
    if _do(lambda runtime, session: deciding.answer_message(runtime, session, request_id, text), "Sent."):
        forget_widgets(f"write-{request_id}")


@guarded
def reveal(request_id: str) -> None:
    """Look who asked: shown until the page is left."""
    reason = widget_text(f"reveal-reason-{request_id}")
    seen: list[deciding.Revealed] = []
    if _do(
        lambda runtime, session: seen.append(deciding.reveal(runtime, session, request_id, reason)),
        "Written down, and the person is told.",
    ):
        keep(REVEALED, (request_id, seen[0]))


@guarded
def leave_out(request_id: str, review_ids: tuple[str, ...]) -> None:
    """Say what of others is left out: their answers, and passages wherever they stand."""
    chosen = frozenset(each for each in review_ids if recall(f"leave-{each}"))
    said = recall(f"passages-{request_id}")  # not there for who did not look who asked
    passages = None if said is None else tuple(str(said).splitlines())
    _do(lambda runtime, session: deciding.leave_out(runtime, session, request_id, chosen, passages), "Kept.")


@guarded
def lift(request_id: str) -> None:
    """Announce that a restriction ends."""
    reason = widget_text(f"lift-reason-{request_id}")
    _do(
        lambda runtime, session: announce_lifting(runtime, session, request_id, reason),
        "The person is told. It ends in three days.",
    )


def _do(act: Callable[..., Any], done: str) -> bool:
    runtime = get_runtime()
    session = require_role(runtime, ROLE)
    worked = attempt(lambda: act(runtime, session))
    if worked and done:
        say(done)
    return worked


def _first_moment(day: date | None) -> datetime:
    """The beginning of a day (UTC)."""
    return datetime.combine(day or get_runtime().clock.now().date(), time.min, UTC)
