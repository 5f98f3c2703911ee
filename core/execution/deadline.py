"""The time of a whole run: `timeout_seconds` at the top of its definition.

What counts is the time a run is under way. A crash does not stop the clock, nor does a wait for the next attempt; what
a run waits for a person does not count. The journal adds up what it worked whenever it lets go for that
(`runs.worked_ms`), and the next claim begins anew (`runs.working_since`).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from core.execution.changes import Claim
from core.execution.failures import Stop
from core.shared.clock import Clock

LOOK_SECONDS = 30.0
"""The loop's timers stand still while the machine sleeps, and the clock may be set: it is looked at this often."""


def time_is_over(limit: int) -> Stop:
    """What becomes of a run that took longer than its limit in seconds."""
    return Stop(
        "failed",
        "RUN_TIMEOUT",
        f"The run took longer than {limit} s (timeout_seconds of the pipeline). "
        "What was finished is kept: raise the limit and run from the failed step.",
        f"Stopped because the run as a whole took longer than {limit} s (timeout_seconds of the pipeline).",
    )


class Deadline:
    """When the time of a claimed run is over; `over` is told then. Without a limit nothing happens."""

    def __init__(self, clock: Clock, claim: Claim, over: Callable[[Stop], None]) -> None:
        self._clock = clock
        self._over = over
        self._limit = claim.definition.timeout_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._at: datetime | None = None
        if self._limit is not None:
            self._at = claim.working_since + timedelta(seconds=self._limit, milliseconds=-claim.worked_ms)

    def start(self) -> None:
        """Watch the clock. A time that is over already is told at once."""
        if self._at is None or self._limit is None:
            return
        left = (self._at - self._clock.now()).total_seconds()
        if left <= 0:
            self._over(time_is_over(self._limit))
        else:
            self._timer = asyncio.get_running_loop().call_later(min(left, LOOK_SECONDS), self.start)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def first(self, due: datetime | None) -> datetime | None:
        """When a run that waits until `due` is to be taken up: then, or when its time is over."""
        return due if due is None or self._at is None else min(due, self._at)
