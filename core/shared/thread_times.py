"""Where the time of a thread goes: by the clock, on a processor, and in the queue for one."""

from dataclasses import dataclass
from time import perf_counter, thread_time

_QUEUE = "/proc/thread-self/schedstat"
"""Of Linux: nanoseconds on a processor, nanoseconds in the queue for one, and how often it was given one."""


@dataclass(frozen=True, slots=True)
class ThreadTimes:
    """In milliseconds since some moment. `queued` is 0 where the system does not say."""

    clock: float
    processor: float
    queued: float

    def __sub__(self, earlier: "ThreadTimes") -> "ThreadTimes":
        """What was needed since then."""
        return ThreadTimes(
            self.clock - earlier.clock, self.processor - earlier.processor, self.queued - earlier.queued
        )  # fmt: skip


def thread_times() -> ThreadTimes:
    """Of the thread that asks."""
    return ThreadTimes(perf_counter() * 1000, thread_time() * 1000, _queued())


def _queued() -> float:
    try:
        with open(_QUEUE, encoding="ascii") as said:
            return int(said.read().split()[1]) / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0
