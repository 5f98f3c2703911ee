"""Takes events from whoever has them, at once, and writes them in batches beside the work they tell of.

To emit costs a few microseconds: the event is put on a list in memory. A thread checks and writes what has come within
a second. A process that is killed loses that second and nothing else; one that ends writes it first. When the database
cannot keep up, events are left out and counted: work never waits for its measurement.
"""

import atexit
import threading
from collections import deque
from time import monotonic, sleep

from core.analytics.catalogue import check_event
from core.analytics.pending import Emitted, Pending, in_pieces
from core.analytics.posthog_sink import PostHogSink
from core.analytics.salts import hour_of
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput

WAIT_SECONDS = 1.0
IDLE_SECONDS = 5.0
"""A writer that has nothing to write for so long ends; the next event starts another."""
BATCH = 5_000
"""Events a transaction. At 10,000 a second, half as many delayed the start of a run more: 1.14 instead of 1.06 to 1.11
times."""
HELD = 100_000
"""Events in memory at most."""
TRIES = 3

log = get_logger("analytics")


class EventWriter:
    """The way of every event into the database."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._emitted: deque[Emitted] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self.by_itself = True
        """Whether a thread writes; otherwise only `write_now` and `close` do."""
        self.left_out = 0
        """Events that were refused, or had no room."""
        self.written = 0
        """Rows in the database: events of those whose use may be counted, and what is told once of each of them."""
        self.sink: PostHogSink | None = None
        """Where written events go on to; None where no key for PostHog is set."""

    def bind(self, runtime: Runtime) -> None:
        """Give the writer its runtime (the two know each other)."""
        self._runtime = runtime
        if runtime.settings.posthog_api_key:
            self.sink = PostHogSink(runtime)

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return len(self._emitted)

    def emit(self, event: str, account_id: str | None = None, **fields: object) -> None:
        """Count something that happened, for a person where there is one. Never raises, never waits.

        What the catalogue does not declare is left out and logged by the event's name: it is a mistake of ours.
        """
        runtime = self._runtime
        if runtime is not None and runtime.meters is not None:
            runtime.meters.note(event, fields)
        if runtime is None or self._closed or not runtime.settings.analytics:
            return
        if len(self._emitted) >= HELD:
            self.left_out += 1
            return
        self._emitted.append((event, hour_of(runtime.clock.now()), account_id, fields))
        if self._thread is None:
            if self.by_itself:
                self._start()
        elif len(self._emitted) >= BATCH:
            self._wake.set()

    def used(self, feature: str, account_id: str) -> None:
        """Count that somebody used something."""
        self.emit("feature.used", account_id, feature=feature)

    def write_now(self) -> int:
        """Write what is pending; answers how many events that were.

        Rests after a batch for as long as it took: who gives up SQLite's one writer and takes it again at once has it
        again before those who wait are awake.
        """
        done = 0
        with self._writing:
            while self._emitted:
                began = monotonic()
                batch = [self._emitted.popleft() for _ in range(min(BATCH, len(self._emitted)))]
                checked = self._checked(batch)
                done += self._write(checked) if checked else 0
                if self._emitted and not self._closed:
                    sleep(monotonic() - began)
        return done

    def close(self) -> None:
        """Write the rest, and take no more."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=10)
        self.write_now()
        if self.sink is not None:
            self.sink.close()
        atexit.unregister(self.close)

    def discard(self) -> None:
        """Take no more and forget what is pending: for a runtime whose database is gone."""
        self._closed = True
        self._emitted.clear()
        self._wake.set()
        if self.sink is not None:
            self.sink.discard()
        atexit.unregister(self.close)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._wake.clear()
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                atexit.register(self.close)
                self._thread.start()

    def _run(self) -> None:
        idle = 0.0
        while not self._closed:
            self._wake.wait(WAIT_SECONDS)
            self._wake.clear()
            idle = 0.0 if self.write_now() else idle + WAIT_SECONDS
            if idle >= IDLE_SECONDS:
                with self._lock:
                    self._thread = None
                if self._emitted:
                    self._start()  # one came between the last look and the end
                return

    def _checked(self, batch: list[Emitted]) -> list[Pending]:
        kept: list[Pending] = []
        for piece in in_pieces(batch):
            for event, hour, account_id, fields in piece:
                try:
                    kept.append(Pending(event, hour, account_id, check_event(event, fields)))
                except InvalidInput as error:
                    self.left_out += 1
                    log.error("analytics.refused", analytics_event=event[:40], fields=sorted(fields), code=error.code)
        return kept

    def _write(self, batch: list[Pending]) -> int:
        from core.analytics.recording import record  # the tables: who only emits does not load them

        assert self._runtime is not None
        for left in reversed(range(TRIES)):
            try:
                self.written += record(self._runtime, batch)
                return len(batch)
            except Exception as error:  # whatever the driver raises: measurements are worth no failure elsewhere
                if not left or self._closed:
                    self.left_out += len(batch)
                    log.error("analytics.not_written", events=len(batch), error_type=type(error).__name__)
        return 0
