"""Requests of data subjects: the rights, the states a request passes, and by when it is answered. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from core.shared.errors import Conflict, InvalidInput
from core.shared.months import months_after

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
Channel = Literal["app", "api", "form", "letter", "mail"]
"""The way a request came in. Letters and mails are entered by a privacy admin."""
Identity = Literal["session", "link", "evidence"]
"""How it is known who asks: signed in with the password just entered, a mailed link, or what an admin noted."""
Ground = Literal["accuracy", "unlawful", "claims", "objection"]
"""GDPR Art. 18(1)(a) to (d), in its order."""
GROUNDS: tuple[Ground, ...] = get_args(Ground)

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
    ("verifying", "propagating"): ("system",),
    ("propagating", "executing"): ("system",),
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
ERASURE_AFTER = timedelta(hours=72)
"""How long a deletion waits before it begins, so that it can be taken back; who asked may begin it at once."""
LINK_LIFE = timedelta(days=7)
"""How long a mailed link proves who asked. A request nobody proved by then ends."""
SIGN_AGAIN_AFTER = timedelta(hours=24)
"""When the only privacy admin may sign a second time."""
LIFTING_NOTICE = timedelta(days=3)
"""How long before a restriction is lifted its person is told (GDPR Art. 18(3))."""
REMIND_DAYS = (7, 3, 1)
LONGEST_TEXT = 5_000  # characters
LEAST_REASON = 10  # characters


@dataclass(frozen=True, slots=True)
class PrivacyRequestView:
    """A request of a person's: the right it uses, where it stands, by when it is answered.

    `due_at` is what we promised, and no extension moves it: whether the promise was kept is reported by itself.
    """

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
    channel: Channel = "app"
    identity: Identity | None = None
    extended_until: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not answered yet."""
        return self.status in OPEN

    @property
    def answer_by(self) -> datetime:
        """When an answer is late: the promise, or the end of an extension that was announced in time."""
        return self.extended_until or self.due_at

    @property
    def can_withdraw(self) -> bool:
        """Whether nothing of it was carried out."""
        return self.status in WITHDRAWABLE

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is late. A late request stays open."""
        return self.is_open and now > self.answer_by

    def missed_promise(self, now: datetime) -> bool:
        """Whether the 30 days were not kept, extended or not."""
        return (self.closed_at or now) > self.due_at


@dataclass(frozen=True, slots=True)
class Details:
    """What a person says with a request.

    `text`: what is wrong (rectification), why we should stop (objection), or a note. `name`, `language` and `email`
    are own fields to correct. `ground`: of a restriction. `at_once`: a deletion that does not wait.
    """

    text: str = ""
    name: str | None = None
    language: str | None = None
    email: str | None = None
    ground: Ground | None = None
    at_once: bool = False

    @property
    def own_fields(self) -> bool:
        """Whether something is to be corrected that is the person's own to say."""
        return self.name is not None or self.language is not None or self.email is not None


def clean_details(right: Right, details: Details) -> Details:
    """What was said, checked. Raises InvalidInput for what belongs to another right, or is missing or too long."""
    text = clean_text(details.text)
    if right == "rectification":
        if not details.own_fields and not text:
            raise InvalidInput("NOTHING_TO_CORRECT", "Say what is wrong, and what would be right.", field="text")
    elif details.own_fields:
        raise InvalidInput("NOT_FOR_THIS_RIGHT", "Name, language and address belong to a correction.", field="right")
    if details.ground is not None and right != "restriction":
        raise InvalidInput("NOT_FOR_THIS_RIGHT", "A ground belongs to a restriction.", field="ground")
    if details.at_once and right != "erasure":
        raise InvalidInput("NOT_FOR_THIS_RIGHT", "Only a deletion waits before it begins.", field="at_once")
    return Details(text, details.name, details.language, details.email, details.ground, details.at_once)


def clean_text(text: str) -> str:
    """Words of a person or an admin as they are kept. Raises InvalidInput for too many, or a NUL character."""
    plain = text.replace("\r\n", "\n").strip()
    if len(plain) > LONGEST_TEXT:
        raise InvalidInput("TOO_LONG", f"Use at most {LONGEST_TEXT:,} characters. Nothing was sent.", field="text")
    if "\0" in plain:
        raise InvalidInput("NUL_CHARACTER", "A text cannot hold a NUL character.", field="text")
    return plain.encode("utf-8", "replace").decode()


def clean_reason(reason: str) -> str:
    """A reason that says something. Raises InvalidInput."""
    plain = clean_text(reason)
    if len(plain) < LEAST_REASON:
        raise InvalidInput("REASON_NEEDED", f"Write a reason of at least {LEAST_REASON} characters.", field="reason")
    return plain


def needs_decision(right: Right, details: Details, others_inside: int = 0) -> str | None:
    """Why somebody has to decide, as a code; None where the system goes on by itself.

    `others_inside`: how many texts of other people an access would hand over (GDPR Art. 15(4)).
    """
    if right == "rectification" and details.text:
        return "contested_facts"
    if right == "restriction" and (details.ground or details.text):
        return "ground"
    if right == "objection" and details.text:
        return "compelling_grounds"
    if right == "access" and others_inside:
        return "others_inside"
    return None


def restricts(right: Right, details: Details) -> bool:
    """Whether the use of the person's data stops with the request: asked for, or until it is decided."""
    return right == "restriction" or (right in ("rectification", "objection") and bool(details.text))


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


def check_extension(request: PrivacyRequestView, until: datetime, now: datetime) -> None:
    """GDPR Art. 12(3): once, within the first month, to at most three months from receipt.

    Raises Conflict where it cannot be extended any more, InvalidInput for an end that is none.
    """
    if not request.is_open:
        raise Conflict("REQUEST_CLOSED", "This request is answered.")
    if request.extended_until is not None:
        raise Conflict("EXTENDED_ALREADY", "It was extended once, and cannot be again.")
    if now > months_after(request.received_at, 1):
        raise Conflict("MONTH_OVER", "The first month is over: an extension had to be announced before.")
    if not request.due_at < until <= longest_due_at(request.received_at):
        latest = f"{longest_due_at(request.received_at):%Y-%m-%d}"
        message = f"Choose a day after {request.due_at:%Y-%m-%d}, and not after {latest}."
        raise InvalidInput("INVALID_EXTENSION", message, field="until")


def end_of_extension(received: datetime, day: date) -> datetime:
    """The end of a day (UTC), but never later than an extension may be."""
    return min(datetime.combine(day, time(23, 59, 59), UTC), longest_due_at(received))


def reminder_for(answer_by: datetime, now: datetime) -> str | None:
    """Which reminder a request is worth now: `7`, `3` or `1` days left, `late:N` once a day; None for none yet."""
    left = answer_by - now
    if left < timedelta(0):
        return f"late:{(now - answer_by).days}"
    reached = [days for days in REMIND_DAYS if left <= timedelta(days=days)]
    return str(min(reached)) if reached else None
