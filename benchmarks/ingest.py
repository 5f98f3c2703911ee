"""What counting costs a run: trigger to first step while 10,000 events a second are emitted in the same process.

The events are of many people and of several kinds, as pages, runs, steps and the API emit them.
Blocks of triggers with and without events alternate, so that whatever else the machine does meets both.
"""

import itertools
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.ground import chain, ground
from benchmarks.table import Row
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime

RATE = 10_000
TICK = 0.01
BLOCKS, TRIGGERS = 40, 20
PEOPLE = 500
LIMIT = 1.1
USED = "feature.used"
KINDS: tuple[tuple[str, dict[str, object]], ...] = (
    ("page.viewed", {"page": "runs"}),
    ("page.viewed", {"page": "notebook"}),
    (USED, {"feature": "version.saved"}),
    ("run.ended", {"status": "completed", "trigger": "api", "funding": "free", "steps": 3}),
    ("step.ended", {"step_type": "llm", "provider": "demo", "model": "demo", "status": "completed"}),
    ("step.ended", {"step_type": "transform", "status": "completed"}),
    ("api.answered", {"method": "POST", "route": "/api/v1/pipelines/{id}/runs", "answer": "2xx"}),
)

Said = Iterator[tuple[str, str, dict[str, object]]]


def rows() -> list[Row]:
    """The median of triggers beside events, against those without; and how many events were taken and kept."""
    with ground(vendor_seconds=0.0) as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, chain(1, kind="llm")).id
        said = _said(runtime)
        runtime.dispatcher.start()
        _triggers(runtime, owner, pipeline)  # warm
        beside: list[float] = []
        alone: list[float] = []
        sent, seconds = 0, 0.0
        for _ in range(BLOCKS):
            alone += _triggers(runtime, owner, pipeline)
            before = time.perf_counter()
            with _emitting(runtime, said) as count:
                beside += _triggers(runtime, owner, pipeline)
            seconds += time.perf_counter() - before
            sent += count[0]
            runtime.events.write_now()  # what is left is not written beside the next block
        assert runtime.events.left_out == 0, "events were left out"
    rate = f"{sent / seconds:,.0f} events/s"
    return [
        Row(f"trigger to first step beside {rate}, p50", statistics.median(beside), "ms", "the same without events",
            statistics.median(alone), LIMIT),
    ]  # fmt: skip


def _triggers(runtime: Runtime, owner: Account, pipeline: str) -> list[float]:
    taken = []
    for _ in range(TRIGGERS):
        before = time.perf_counter()
        run = start_run(runtime, owner, pipeline, {})
        while get_run(runtime, owner.id, run.id).steps[0].status == "pending":
            time.sleep(0.001)
        taken.append((time.perf_counter() - before) * 1000)
    return taken


def _said(runtime: Runtime) -> Said:
    """Events without end, in a random order that is the same each time, as is how long each took."""
    people = [
        create_account(runtime, email=f"person-{number}@example.org", password="a long benchmark password").id
        for number in range(PEOPLE)
    ]
    chance = random.Random(1)
    events = [
        (event, person, fields | ({} if event == USED else {"duration_ms": int(chance.lognormvariate(4, 1.5))}))
        for event, fields in KINDS
        for person in people
    ]
    chance.shuffle(events)
    return itertools.cycle(events)


@contextmanager
def _emitting(runtime: Runtime, said: Said) -> Iterator[list[int]]:
    """Emits at the rate meanwhile; tells how many it were."""
    ended, count = threading.Event(), [0]

    def emit() -> None:
        began = time.perf_counter()
        while not ended.wait(TICK):
            due = int((time.perf_counter() - began) * RATE)
            for event, person, fields in itertools.islice(said, due - count[0]):
                runtime.events.emit(event, person, **fields)
            count[0] = due

    thread = threading.Thread(target=emit)
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join()
