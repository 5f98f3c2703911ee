"""Working through much in small batches, so that nobody who wants the database waits long.

A batch has as many rows as the last ones say fit into some milliseconds. SQLite has one writer: there a batch is the
longest that a page, a trigger or a step is kept waiting. So while others write, batches are short and a rest as long
follows each; where nobody has had to wait for a second, they are longer and follow at once. On PostgreSQL a batch holds
only the rows it deletes, and is longer still.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.platform.database import Database

SHARED_SECONDS, QUIET_SECONDS, POSTGRES_SECONDS = 0.006, 0.04, 0.15
QUIET_AFTER = 1.0
"""Seconds since somebody had to wait, after which nobody else is taken to be writing."""
LEAST_ROWS, FIRST_ROWS, MOST_ROWS = 40, 200, 5_000
REST = 0.03
"""The share of a batch's time that is rested after it where nobody waited."""


class Pace:
    """How many rows the next batch may have. One a piece of work; not for several threads."""

    def __init__(
        self,
        database: Database,
        *,
        target_seconds: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rows = FIRST_ROWS
        self._database, self._given = database, target_seconds
        self._clock, self._sleep = clock, sleep
        self._waited_at = clock() - QUIET_AFTER

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Around one transaction: times it, learns from it, and rests."""
        begun, waits = self._clock(), self._database.waits
        yield
        now = self._clock()
        if self._database.waits != waits:
            self._waited_at = now
        shared = now - self._waited_at < QUIET_AFTER
        # At most doubled: one batch of small rows says little about the next.
        factor = min(2.0, max(0.1, self._target(shared) / max(now - begun, 1e-6)))
        self.rows = int(min(MOST_ROWS, max(LEAST_ROWS, self.rows * factor)))
        self._sleep((now - begun) * (1.0 if shared else REST))

    def _target(self, shared: bool) -> float:
        if self._given is not None:
            return self._given
        if not self._database.is_sqlite:
            return POSTGRES_SECONDS
        return SHARED_SECONDS if shared else QUIET_SECONDS
