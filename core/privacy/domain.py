"""Requests of data subjects: their states, and by when they are answered. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta

PROMISED = timedelta(days=30)
OPEN = ("verified",)
"""States in which a request waits, and can still be taken back."""


@dataclass(frozen=True, slots=True)
class PrivacyRequestView:
    """A request of a person's: the right it uses, where it stands, by when it is answered."""

    id: str
    account_id: str
    right: str
    status: str
    received_at: datetime
    due_at: datetime
    closed_at: datetime | None


def due_at(received: datetime) -> datetime:
    """One calendar month after receipt (GDPR Art. 12(3)), but at most the 30 days that the policy promises.

    A month without that day ends on its last one: received on 31 January 2027 is due on 28 February.
    """
    year, month = received.year + received.month // 12, received.month % 12 + 1
    day = min(received.day, monthrange(year, month)[1])
    return min(received.replace(year=year, month=month, day=day), received + PROMISED)
