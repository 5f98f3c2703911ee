"""The nightly sweep over a large history, held against bare batched DELETEs of the same rows; triggers meanwhile.

A run here is a row with two steps and three events, sealed as real ones. The bare peer looks up a thousand ids at a
time and deletes them, children first, on the same pool; it asks nothing else, carries nothing on, and never rests.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, delete, select

from benchmarks.ground import ground
from benchmarks.table import Row
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.models import RunEventRow, RunRow, StepRunRow
from core.execution.queries import list_runs
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.privacy.retention.sweep import sweep
from tests.support.old_history import add_runs
from tests.support.postgres import new_database, new_migrated_database

RUNS = int(os.environ.get("BENCH_RUNS", "1000000"))
"""How many runs are old; the environment makes it fewer for a quick look."""
BARE_BATCH, TRIGGERS, PACE_SECONDS = 1_000, 300, 0.01
LIMIT = 2.0
CHAIN = ((RunEventRow, "run_id"), (StepRunRow, "run_id"), (RunRow, "id"))
SAID = {"name": "Said", "version": 1, "steps": [{"id": "said", "type": "transform", "template": "Hello"}]}


def rows() -> list[Row]:
    """Time of a sweep and of triggers beside it, on both databases."""
    return [*_measure("SQLite"), *_measure("PostgreSQL")]


def _measure(name: str) -> Iterator[Row]:
    with _history(name) as (runtime, person, old):
        bare = _seconds(lambda: _bare(runtime, person))
        _fill(runtime, person, old)
        alone = _seconds(lambda: sweep(runtime, runtime.clock.now()))
        assert next(iter(list_runs(runtime, person.id, limit=1).items), None) is None
        before = _triggers(runtime, person, lambda: None)
        _fill(runtime, person, old)
        during = _triggers(runtime, person, lambda: sweep(runtime, runtime.clock.now()))
    what = f"{name}, {RUNS:,} runs"
    yield Row(f"retention sweep, {what}", alone, "s", "bare batched DELETEs", bare, LIMIT)
    yield Row(f"trigger during a sweep, {what}, p95", _p95(during), "ms", "without one", _p95(before), LIMIT)


@contextmanager
def _history(name: str) -> Iterator[tuple[Runtime, Account, datetime]]:
    postgres = {} if name == "SQLite" else {"database_url": new_migrated_database(), "key_store_url": new_database()}
    with ground(**postgres) as (runtime, _):
        person = create_account(runtime, email="free@example.org", password="a long benchmark password", plan="free")
        old = runtime.clock.now() - timedelta(days=100)
        _fill(runtime, person, old)
        yield runtime, person, old


def _fill(runtime: Runtime, person: Account, old: datetime) -> None:
    for start in range(0, RUNS, 5_000):
        add_runs(runtime, person.id, min(5_000, RUNS - start), at=old + timedelta(seconds=start))


def _bare(runtime: Runtime, person: Account) -> None:
    some = select(RunRow.id).where(RunRow.owner_id == person.id).order_by(RunRow.created_at).limit(BARE_BATCH)
    while True:
        with runtime.database.write() as session:
            ids = list(session.scalars(some))
            for model, column in CHAIN:
                table = cast(Table, cast(Any, model).__table__)
                session.execute(delete(table).where(table.c[column].in_(ids)))
        if not ids:
            return


def _triggers(runtime: Runtime, person: Account, meanwhile: Callable[[], object]) -> list[float]:
    """Milliseconds of each start of a run, while something else goes on in another thread."""
    owner = create_account(runtime, email=f"{runtime.ids.new()}@example.org", password="a long benchmark password")
    pipeline = create_pipeline(runtime, owner, SAID)
    for _ in range(20):  # warm
        start_run(runtime, owner, pipeline.id, {})
    beside = threading.Thread(target=meanwhile)
    beside.start()
    times = []
    for _ in range(TRIGGERS):
        before = time.perf_counter()
        start_run(runtime, owner, pipeline.id, {})
        times.append((time.perf_counter() - before) * 1000)
        time.sleep(PACE_SECONDS)
    beside.join()
    return times


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def _seconds(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before
