"""Working through much in small batches, so that nobody who wants the database waits long.

A batch has as many rows as the last one says fit into some milliseconds. SQLite has one writer: there a batch is the
longest that a page, a trigger or a step is kept waiting. So while others of this process write, batches are short, a
rest follows each that is longer than it took, and the log is folded back between them; where nobody has written for a
moment, batches are longer and follow at once. On PostgreSQL a batch keeps nobody from writing, but takes its share of
the processor, so it rests there as well.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from core.platform.database import Database

SHARED_SECONDS, QUIET_SECONDS, POSTGRES_SECONDS = 0.004, 0.02, 0.05
QUIET_AFTER = 0.5
"""Seconds since others wrote, after which nobody else is taken to be writing."""
LEAST_ROWS, FIRST_ROWS, MOST_ROWS = 100, 200, 5_000
"""With fewer rows a transaction is mostly its own beginning and end, and others wait no less for it."""
SHARED_REST, QUIET_REST = 1.5, 0.03
"""How much of a batch's time is rested after it, where others write and where nobody does."""
FOLD_ROWS = 500
"""Rows after which the log of SQLite is folded back outside of what others wait for, long before it is due."""


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
        self._seen = database.writes
        self._others_at = clock() - QUIET_AFTER
        self._logged = 0

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A write transaction, which is a batch: timed from when it has its turn, learnt from, and rested after."""
        with self._database.write() as session:
            begun = self._clock()
            yield session
        now = self._clock()
        shared = self._is_shared(now)
        self._logged += self.rows
        if shared and self._logged >= FOLD_ROWS:
            self._logged = 0
            self._database.fold_log()
        self.rows = next_rows(self.rows, now - begun, self._given or target(self._database.is_sqlite, shared))
        self._sleep(rest(now - begun, shared))

    def _is_shared(self, now: float) -> bool:
        """Whether anybody else of this process wrote or waits, since the last batch or not long before."""
        if self._database.writes - self._seen > 1:
            self._others_at = now
        self._seen = self._database.writes
        return now - self._others_at < QUIET_AFTER


def target(is_sqlite: bool, shared: bool) -> float:
    """Seconds that a batch may take."""
    if not is_sqlite:
        return POSTGRES_SECONDS
    return SHARED_SECONDS if shared else QUIET_SECONDS


def next_rows(rows: int, seconds: float, target_seconds: float) -> int:
    """How many rows the next batch has, where the last one's took some seconds.

    At most doubled: one batch of small rows says little about the next.
    """
    factor = min(2.0, max(0.1, target_seconds / max(seconds, 1e-6)))
    return int(min(MOST_ROWS, max(LEAST_ROWS, rows * factor)))


def rest(seconds: float, shared: bool) -> float:
    """Seconds of rest after a batch that took some."""
    return seconds * (SHARED_REST if shared else QUIET_REST)
