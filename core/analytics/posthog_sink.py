"""Sends what was counted to PostHog, where an operator gave a key: events of nobody, later, mixed, never in the way.

An event is held until the next full ten minutes of the clock, and goes in a random order with whatever else came: when
it goes says nothing about when it happened beyond its hour. Each has a random id of its own, so two events are never
of the same somebody there. Whose it was is known in memory until it goes, for one purpose: that whoever objects,
leaves or is erased meanwhile is left out.

Whatever fails here is dropped and counted: the event itself is in the database.
"""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from core.analytics.pending import Pending
from core.analytics.posthog_message import PERSONLESS, clean_message, undeclared_keys
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    from posthog import Posthog

SLOT_SECONDS = 600
HELD = 10_000
"""Events in memory at most; what comes beyond that is left out."""
BATCH = 500
ANSWER_SECONDS = 5.0
END_SECONDS = 2.0
"""How long the end of a process waits for the last events to go."""

log = get_logger("analytics")


@dataclass(frozen=True, slots=True)
class WireRecord:
    """What this process sent: counts, and the names in it, taken from the bytes on their way.

    `undeclared`: names that no event may have there. `keys`: all names in the last batch.
    """

    host: str
    sent: int = 0
    failed: int = 0
    left_out: int = 0
    batches: int = 0
    last_at: datetime | None = None
    keys: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()


class PostHogSink:
    """The way of counted events to PostHog."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._held: list[Pending] = []
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._timer: threading.Timer | None = None
        self._client: Posthog | None = None
        self._closed = False
        self._record = WireRecord(runtime.settings.posthog)

    @property
    def record(self) -> WireRecord:
        """What was sent until now."""
        return self._record

    @property
    def waiting(self) -> int:
        """Events that are held for the next full ten minutes."""
        return len(self._held)

    def take(self, events: Sequence[Pending]) -> None:
        """Hold events that were written, until it is time. Never waits, never raises."""
        with self._lock:
            room = 0 if self._closed else HELD - len(self._held)
            self._held += events[:room]
            self._count(left_out=len(events[room:]))
            if self._held and self._timer is None and self._runtime.events.by_itself and not self._closed:
                wait = SLOT_SECONDS - self._runtime.clock.now().timestamp() % SLOT_SECONDS
                self._timer = threading.Timer(wait, self.send_now)
                self._timer.daemon = True
                self._timer.start()

    def send_now(self, wait_seconds: float = 0.0) -> int:
        """Hand what is held to the SDK, whose own thread sends it; answers how many that were. Never raises."""
        with self._lock:
            held, self._held, self._timer = self._held, [], None
        if not held:
            return 0
        with self._sending:
            try:
                return self._hand_over(held, wait_seconds)
            except Exception as error:  # whatever the SDK or the driver raises: what is not known to be right stays
                self._count(left_out=len(held))
                log.error("analytics.posthog_failed", events=len(held), exc_info=error)
                return 0

    def close(self) -> None:
        """Send the rest, for two seconds at most, and take no more."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        if not self._held and self._client is None:
            return
        try:
            ending = threading.Thread(target=self._end, name="posthog-end", daemon=True)
            ending.start()
        except RuntimeError:  # the interpreter is too far gone to start threads
            self._count(left_out=len(self._held))
            return
        ending.join(timeout=END_SECONDS)

    def discard(self) -> None:
        """Take no more and forget what is held."""
        with self._lock:
            self._closed = True
            self._held.clear()
            if self._timer is not None:
                self._timer.cancel()

    def _end(self) -> None:
        self.send_now()
        if self._client is not None:
            self._client.shutdown()

    def _hand_over(self, held: list[Pending], wait_seconds: float) -> int:
        from core.analytics.recording import may_be_counted

        allowed = may_be_counted(self._runtime, {each.account_id for each in held if each.account_id is not None})
        going = [each for each in held if each.account_id is None or each.account_id in allowed]
        random.SystemRandom().shuffle(going)
        client = self._open()
        taken = sum(client.capture(each.event, **_as_sent(each)) is not None for each in going)
        self._count(left_out=len(held) - taken)
        if wait_seconds:
            client.flush(wait_seconds)
        return taken

    def _open(self) -> "Posthog":
        if self._client is None:
            from posthog import Posthog, request  # half a second: nobody waits for it here

            from core.analytics.posthog_way import narrow

            settings = self._runtime.settings
            narrow(request._get_session(), settings.posthog, self._note)
            self._client = Posthog(
                settings.posthog_api_key,
                host=settings.posthog,
                max_queue_size=HELD,
                flush_at=BATCH,
                max_retries=1,
                timeout=ANSWER_SECONDS,
                capture_mode="v0",
                before_send=clean_message,
                on_error=self._not_sent,
            )
        return self._client

    def _note(self, body: dict[str, Any], status: int) -> None:
        """From the SDK's thread: a batch was on the wire, whatever became of it."""
        events = body.get("batch", [])
        with self._lock:
            self._record = replace(
                self._record,
                sent=self._record.sent + (len(events) if status == 200 else 0),
                batches=self._record.batches + 1,
                last_at=self._runtime.clock.now(),
                keys=tuple(sorted({*body, *(f"batch.{name}" for each in events for name in _names(each))})),
                undeclared=tuple(sorted({*self._record.undeclared, *undeclared_keys(body)})),
            )

    def _not_sent(self, error: Exception, batch: list[Any]) -> None:
        """From the SDK's thread: a batch was tried twice, and is dropped."""
        with self._lock:
            self._record = replace(self._record, failed=self._record.failed + len(batch))
        log.warning("analytics.posthog_not_sent", events=len(batch), error_type=type(error).__name__)

    def _count(self, *, left_out: int) -> None:
        with self._lock:
            self._record = replace(self._record, left_out=self._record.left_out + left_out)


def _as_sent(each: Pending) -> dict[str, Any]:
    plan = {} if each.plan is None else {"plan": each.plan}
    return {
        "distinct_id": str(uuid4()),
        "timestamp": f"{each.hour}:00:00+00:00",
        "properties": {**each.fields, **plan, **PERSONLESS},
    }


def _names(event: dict[str, Any]) -> list[str]:
    return [*event, *(f"properties.{name}" for name in event.get("properties", {}))]
