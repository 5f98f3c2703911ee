"""Requests of data subjects: the rights, the states a request passes, and by when it is answered. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

Right = Literal["access", "rectification", "erasure", "restriction", "portability", "objection"]
"""GDPR Art. 15 to 18, 20 and 21."""
RIGHTS: tuple[Right, ...] = get_args(Right)
Status = Literal[
    "received",
    "awaiting_identity",
    "verified",
    "awaiting_decision",
    "scheduled",
    "executing",
    "propagating",
    "verifying",
    "closed",
]
Outcome = Literal["fulfilled", "partial", "refused", "withdrawn"]
Actor = Literal["system", "person", "privacy_admin"]

OPEN: tuple[Status, ...] = (
    "received", "awaiting_identity", "verified", "awaiting_decision", "scheduled",
    "executing", "propagating", "verifying",
)  # fmt: skip
"""States of a request that is not answered yet, however late it is."""
WITHDRAWABLE: tuple[Status, ...] = ("received", "awaiting_identity", "verified", "awaiting_decision", "scheduled")
"""States in which nothing was carried out: the person may still take the request back."""
AT_WORK: tuple[Status, ...] = ("scheduled", "executing", "propagating", "verifying")
"""States in which the system goes on by itself."""

MOVES: dict[tuple[Status, Status], tuple[Actor, ...]] = {
    ("received", "awaiting_identity"): ("system",),
    ("received", "verified"): ("system",),
    ("awaiting_identity", "verified"): ("system",),
    ("verified", "awaiting_decision"): ("system",),
    ("verified", "scheduled"): ("system",),
    ("awaiting_decision", "scheduled"): ("privacy_admin",),
    ("awaiting_decision", "closed"): ("privacy_admin", "person"),
    ("scheduled", "executing"): ("system",),
    ("executing", "propagating"): ("system",),
    ("executing", "verifying"): ("system",),
    ("executing", "closed"): ("system",),
    ("propagating", "verifying"): ("system",),
    ("propagating", "closed"): ("system",),
    ("verifying", "executing"): ("system",),  # the scan found something: it is done again
    ("verifying", "closed"): ("system",),
    ("received", "closed"): ("person",),
    ("awaiting_identity", "closed"): ("person", "system"),  # the system: nobody proved who they are in time
    ("verified", "closed"): ("person",),
    ("scheduled", "closed"): ("person",),
}
"""Every move there is, and who makes it. What is missing here is refused for everybody."""

PROMISED = timedelta(days=30)
LONGEST_MONTHS = 3
"""With the extension of Art. 12(3): counted from receipt, not from the first end."""


@dataclass(frozen=True, slots=True)
class PrivacyRequestView:
    """A request of a person's: the right it uses, where it stands, by when it is answered."""

    id: str
    account_id: str
    right: Right
    status: Status
    received_at: datetime
    due_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None = None
    start_at: datetime | None = None
    """Nothing is carried out before this moment; None: as soon as it is scheduled."""


def may_move(before: Status, after: Status, actor: Actor) -> bool:
    """Whether this actor may bring a request from one state to another."""
    return actor in MOVES.get((before, after), ())


def due_at(received: datetime) -> datetime:
    """One calendar month after receipt (GDPR Art. 12(3)), but at most the 30 days that the policy promises.

    A month without that day ends on its last one: received on 31 January 2027 is due on 28 February.
    """
    return min(months_after(received, 1), received + PROMISED)


def longest_due_at(received: datetime) -> datetime:
    """The latest moment that an extension may name: three months after receipt (GDPR Art. 12(3))."""
    return months_after(received, LONGEST_MONTHS)


def months_after(moment: datetime, months: int) -> datetime:
    """The same day and hour so many calendar months later; a month without that day ends on its last one."""
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
