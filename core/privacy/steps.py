"""What carries out a right: steps in order, each safe to be repeated, and what a step answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

Phase = Literal["executing", "propagating", "verifying"]
"""In our own stores; at those who received something; whether it is so."""


@dataclass(frozen=True, slots=True)
class Work:
    """A request in the hands of this process.

    `renew` lengthens its lease in the middle of long work, and raises LeaseLost when another process has it: call it
    between batches. `done` holds the counts of the steps before, by their names.
    """

    request_id: str
    account_id: str
    received_at: datetime
    renew: Callable[[], None]
    done: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Done:
    """A step is done. `counts`: numbers by store, shown to the person and in the certificate; nothing personal."""

    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """A step cannot be done yet, through no fault: a recipient has it in hand. It is asked again after a while."""

    code: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Again:
    """What was to be true is not: `step` and all that follow it are done again."""

    code: str
    step: str


@dataclass(frozen=True, slots=True)
class RightStep:
    """A step: its name, its sentence for people, its phase, and what it does.

    `run` may be killed anywhere and is then run again from its beginning. It opens and commits its own transactions.
    """

    name: str
    says: str
    phase: Phase
    run: Callable[[Runtime, Work], Done | Later | Again]


FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=6)


def wait_after(attempts: int) -> timedelta:
    """How long a step that failed rests before its next try: doubled each time, for as long as it takes."""
    doublings: int = 2 ** min(attempts - 1, 20)
    return min(FIRST_WAIT * doublings, LONGEST_WAIT)
