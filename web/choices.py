"""Choices of a browser: the signal it sends, the cookie that keeps what a visitor chose, and who is to be asked.

The cookie holds the choice, the text it was made on, and the time; it says nothing about who. It is strictly
necessary: without it a no could not be remembered, and everybody would be asked at every page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from core.accounts.consent_rules import Choice, ConsentState, Source, Stand, current_text, state_of, text_of
from core.accounts.consents import ANALYTICS, consent_states, note_signal, take_over, uses_device_analytics

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

SIGNAL = "sec-gpc"
KEPT = timedelta(days=184)  # six months at their longest: what counts is the time inside


@dataclass(frozen=True, slots=True)
class Asked:
    """How a browser stands to measuring. `signal`: it sends Global Privacy Control, which counts as a no."""

    stand: Stand
    signal: bool
    choice: Choice | None

    @property
    def is_open(self) -> bool:
        """Whether the banner asks."""
        return self.stand == "open"


def choice_cookie(runtime: Runtime) -> str:
    """Name of the cookie with a visitor's choice."""
    return "__Host-stepiq_choice" if runtime.settings.is_https else "stepiq_choice"


def sends_signal(headers: Headers) -> bool:
    """Whether a browser sends Global Privacy Control (W3C, section 3.1)."""
    return headers.get(SIGNAL, "").strip() == "1"


def standing(runtime: Runtime, request: Request, account_id: str | None) -> Asked | None:
    """How a visitor, or a person who is signed in, stands to measuring; None where nothing here would use it."""
    if not uses_device_analytics(runtime):
        return None
    if account_id is None:
        choice = read_choice(runtime, request)
        state = state_of(ANALYTICS, (choice,) if choice else (), runtime.clock.now())
    else:
        state = consent_states(runtime, account_id)[ANALYTICS]
    return _asked(state, sends_signal(request.headers))


def _asked(state: ConsentState, signal: bool) -> Asked:
    return Asked("refused" if signal else state.stand, signal, state.choice)


def read_choice(runtime: Runtime, request: Request) -> Choice | None:
    """The choice in the cookie; None for one that is malformed or about a text there never was."""
    parts = request.cookies.get(choice_cookie(runtime), "").split("~")
    if len(parts) != 3 or parts[0] not in ("yes", "no") or not parts[2].isdecimal() or len(parts[2]) > 11:
        return None
    if text_of(ANALYTICS, parts[1]) is None:
        return None
    source: Source = "banner"
    return Choice(ANALYTICS, parts[0] == "yes", parts[1], source, datetime.fromtimestamp(int(parts[2]), UTC))


def keep_choice(runtime: Runtime, response: Response, *, granted: bool) -> None:
    """Keep a visitor's choice in their browser."""
    word, at = "yes" if granted else "no", int(runtime.clock.now().timestamp())
    response.set_cookie(
        choice_cookie(runtime),
        f"{word}~{current_text(ANALYTICS).version}~{at}",
        max_age=int(KEPT.total_seconds()),
        path="/",
        secure=runtime.settings.is_https,
        httponly=True,
        samesite="lax",
    )


def take_over_choice(runtime: Runtime, request: Request, account_id: str) -> None:
    """At signing in: what was chosen in this browser counts for the person, and so does the browser's signal."""
    if not uses_device_analytics(runtime):
        return
    choice = read_choice(runtime, request)
    if choice is not None:
        take_over(runtime, account_id, choice)
    if sends_signal(request.headers):
        note_signal(runtime, account_id)


def note_signal_of(runtime: Runtime, account_id: str) -> None:
    """For a page of the app that is opened by a browser with the signal: its no counts for the person."""
    if uses_device_analytics(runtime):
        note_signal(runtime, account_id)
