"""News of runs inside one process: who follows a run is woken when its journal grew, instead of asking again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

Wake = Callable[[], None]


class RunNews:
    """Who waits for which run. It carries no content: what happened is read from the journal, by whoever may."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Wake]] = {}
        self._lock = Lock()

    @contextmanager
    def listen(self, run_id: str, wake: Wake) -> Iterator[None]:
        """Inside the block, `wake` is called at every news of the run. It must not raise, and return at once."""
        with self._lock:
            self._waiting.setdefault(run_id, []).append(wake)
        try:
            yield
        finally:
            with self._lock:
                waiting = self._waiting[run_id]
                waiting.remove(wake)
                if not waiting:
                    del self._waiting[run_id]

    def tell(self, run_id: str) -> None:
        """Wake everybody who follows the run. Called from any thread, after the commit."""
        with self._lock:
            waiting = tuple(self._waiting.get(run_id, ()))
        for wake in waiting:
            wake()
