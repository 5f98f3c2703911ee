"""Whether what a process does beside its requests is still alive: each duty says so again and again."""

from collections.abc import Callable
from time import monotonic

SILENT_SECONDS = 15.0
"""A duty that was silent for so long is dead or stuck: they speak every two to five seconds."""


class Pulse:
    """The duties that were begun in this process, and when each was last heard of. Threads may all speak at once."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._heard: dict[str, float] = {}

    def beat(self, duty: str) -> None:
        """A duty is alive; the first time, it begins."""
        self._heard[duty] = self._now()

    def end(self, duty: str) -> None:
        """A duty ended as it was meant to."""
        self._heard.pop(duty, None)

    def alive(self, duty: str) -> bool | None:
        """Whether a duty was heard of lately; None where it was never begun, or is over."""
        heard = self._heard.get(duty)
        return None if heard is None else self._now() - heard < SILENT_SECONDS
