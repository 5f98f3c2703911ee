"""Something that is done again and again beside a block of work, until that ends: how what was taken is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

from core.platform.logging import get_logger

log = get_logger("repeating")


@contextmanager
def repeating(name: str, every: timedelta, act: Callable[[], bool]) -> Iterator[None]:
    """Act in a thread of a name, every so often; no more once it answers False. What it raises is logged.

    The database may be away for a moment: whoever keeps a lease acts three times in its life.
    """
    over = Event()

    def again() -> None:
        while not over.wait(every.total_seconds()):
            try:
                if not act():
                    return
            except Exception as error:
                log.warning("repeating.failed", what=name, exc_info=error)

    thread = Thread(target=again, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
