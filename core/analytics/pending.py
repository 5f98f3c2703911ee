"""An event on its way from whoever had it to where it is counted."""

from collections.abc import Iterator, Sequence
from time import sleep
from typing import NamedTuple, TypeVar

from core.analytics.catalogue import Value

Emitted = tuple[str, str, str | None, dict[str, object]]
"""As it came: event, hour, account, and fields that nobody checked yet."""

T = TypeVar("T")

PIECE = 50
REST_SECONDS = 0.0002
"""Whatever else this process does waits for the interpreter's lock while events are made ready: a rest after so many
gives it up at once, where else it would be asked for after 5 ms."""


class Pending(NamedTuple):
    """Checked, and not written yet, or not sent on. The account is forgotten when it is. `plan`: once it is known."""

    event: str
    hour: str
    account_id: str | None
    fields: dict[str, Value]
    plan: str | None = None


def in_pieces(events: Sequence[T]) -> Iterator[Sequence[T]]:
    """A few at a time, with a rest after each."""
    for start in range(0, len(events), PIECE):
        yield events[start : start + PIECE]
        sleep(REST_SECONDS)
