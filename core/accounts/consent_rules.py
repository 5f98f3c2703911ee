"""Consent: what is asked for, in which words, and for how long a choice counts. Pure.

A no counts as long as a yes (CNIL, guidelines on cookies of 17 September 2020, section 2.2), and a signal of the
browser (Global Privacy Control) is a no that is not asked for again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from core.shared.errors import InvalidInput
from core.shared.months import months_after

Purpose = Literal["device_analytics", "product_news"]
Source = Literal["banner", "preferences", "api", "signal"]
Stand = Literal["granted", "refused", "open"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
MONTHS = 6
"""How long a choice counts, yes or no."""


@dataclass(frozen=True, slots=True)
class ConsentText:
    """What a person reads before choosing. `version` is the day from which it was shown."""

    version: str
    title: str
    text: str


TEXTS: dict[Purpose, tuple[ConsentText, ...]] = {
    "device_analytics": (
        ConsentText(
            "2026-11-25",
            "Measuring on your device",
            "May we store an identifier on your device, so that we can tell whether the same visitor comes back? It is "
            "kept by PostHog in the European Union, never used for advertising, and not needed for anything else here.",
        ),
    ),
    "product_news": (
        ConsentText(
            "2026-11-25",
            "News about the product",
            "May we write to you, a few times a year, about what is new? Mails about your account come either way.",
        ),
    ),
}
"""The texts by purpose, the one that is shown now last: earlier ones stay, because choices name them."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a person's."""

    purpose: Purpose
    granted: bool
    text_version: str
    source: Source
    chosen_at: datetime

    @property
    def until(self) -> datetime:
        """When it counts no more."""
        return months_after(self.chosen_at, MONTHS)


@dataclass(frozen=True, slots=True)
class ConsentState:
    """How a person stands to a purpose now. `choice`: the newest one, also where it counts no more."""

    purpose: Purpose
    stand: Stand
    choice: Choice | None

    @property
    def is_granted(self) -> bool:
        """Whether the purpose may be served."""
        return self.stand == "granted"


def current_text(purpose: Purpose) -> ConsentText:
    """The text that is shown now."""
    return TEXTS[purpose][-1]


def text_of(purpose: Purpose, version: str) -> ConsentText | None:
    """The text of a version."""
    return next((text for text in TEXTS[purpose] if text.version == version), None)


def state_of(purpose: Purpose, choices: Sequence[Choice], now: datetime) -> ConsentState:
    """What the choices of a person come to now. Of two at the same moment the one that is listed first counts."""
    mine = [each for each in choices if each.purpose == purpose]
    if not mine:
        return ConsentState(purpose, "open", None)
    newest = max(mine, key=lambda each: each.chosen_at)
    if newest.until <= now:
        return ConsentState(purpose, "open", newest)
    return ConsentState(purpose, "granted" if newest.granted else "refused", newest)


def clean_purpose(name: str) -> Purpose:
    """A purpose that consent is asked for. Raises InvalidInput."""
    for purpose in PURPOSES:
        if name == purpose:
            return purpose
    raise InvalidInput("UNKNOWN_PURPOSE", f"Choose one of {', '.join(PURPOSES)}.", field="purpose")
