"""Working through much in small batches, so that nobody who wants the database waits long.

A batch has as many rows as the last ones say fit into a few milliseconds, and a rest follows each: a share of what the
batch took, in which whoever waited comes first. SQLite has one writer, so there a batch is the longest that a page, a
trigger or a step can be kept waiting.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TARGET_SECONDS = 0.012
LEAST_ROWS, FIRST_ROWS, MOST_ROWS = 60, 200, 5_000
REST = 0.25
"""The share of a batch's time that is rested after it."""


class Pace:
    """How many rows the next batch may have. One a piece of work; not for several threads."""

    def __init__(
        self,
        *,
        target_seconds: float = TARGET_SECONDS,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rows = FIRST_ROWS
        self._target, self._clock, self._sleep = target_seconds, clock, sleep

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Around one transaction: times it, learns from it, and rests."""
        begun = self._clock()
        yield
        took = self._clock() - begun
        # At most doubled: one batch of small rows says little about the next.
        factor = min(2.0, max(0.25, self._target / max(took, 1e-6)))
        self.rows = int(min(MOST_ROWS, max(LEAST_ROWS, self.rows * factor)))
        self._sleep(min(took * REST, self._target))
