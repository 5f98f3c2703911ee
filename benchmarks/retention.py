"""The nightly sweep over a large history, against bare batched DELETEs of as many rows; and triggers beside it.

A run here is a row with two steps and three events, sealed as real ones. The history is divided: sweep and bare peer
delete a part each in turn, so that what else the machine does falls on both alike. The peer deletes from the same
tables, children first, with as many runs in a transaction, on the same connection pool, its ids as one parameter. What
it lacks is what makes it retention: it does not ask who is held, restricted or undelivered, carries no sums on, keeps
no report, and never rests.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import bindparam, text

from benchmarks.durable_postgres import durable_postgres
from benchmarks.ground import ground
from benchmarks.history import fill, moment
from benchmarks.progress import tell
from benchmarks.table import Row
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.accounts.plans import PLANS
from core.execution.commands import start_run
from core.pipelines.commands import create_pipeline
from core.platform.database import UtcDateTime
from core.platform.runtime import Runtime
from core.privacy.retention.sweep import sweep

RUNS = int(os.environ.get("BENCH_RUNS", "1000000"))
"""How many runs are old; the environment makes it fewer for a quick look."""
ROUNDS = 5
TURNS, TURN_RUNS, ALONE, ENOUGH, PACE_SECONDS = 30, 1_500, 30, 300, 0.01
"""Sweeps with triggers beside them: how many at most, of how many runs, after how many triggers without; how many
triggers are enough of each; and the pause after each."""
LIMIT = 2.0
KEPT = timedelta(days=PLANS["free"].log_days)
SAID = {"name": "Said", "version": 1, "steps": [{"id": "said", "type": "transform", "template": "Hello"}]}
CHAIN = {
    "reviews": "run_id {}",
    "delivery_attempts": "delivery_id IN (SELECT id FROM deliveries WHERE run_id {})",
    "step_runs": "run_id {}",
    "run_events": "run_id {}",
    "deliveries": "run_id {}",
    "runs": "id {}",
}


def rows() -> Iterator[Row]:
    """Time of a sweep and of triggers beside it, on both databases."""
    yield from _measure("SQLite")
    yield from _measure("PostgreSQL")


def _measure(name: str) -> Iterator[Row]:
    with _history(name) as (runtime, person, old):
        ours, bare, done, each = 0.0, 0.0, 0, max(1, RUNS // ROUNDS)
        for turn in range(1, ROUNDS + 1):
            writes = runtime.database.writes
            ours += _seconds(lambda done=done: _sweep(runtime, old, done + each))
            batch = max(1, each // (runtime.database.writes - writes))
            bare += _seconds(lambda done=done, batch=batch: _bare(runtime, person, moment(old, done + 2 * each), batch))
            done += 2 * each
            tell(f"{name}: swept {turn * each:,} runs in {ours:.0f} s, bare {bare:.0f} s, {batch} a transaction")
        yield Row(f"retention sweep, {name}, {RUNS:,} runs", ours, "s", "bare batched DELETEs", bare, LIMIT)
        before, during = _triggers(runtime, old, done)
        tell(f"{name}: {len(during)} triggers beside a sweep, {len(before)} without")
        assert min(len(before), len(during)) >= ENOUGH
    p95 = _p95(during)
    yield Row(f"trigger during a sweep, {name}, p95", p95, "ms", "without one, in turns", _p95(before), LIMIT)


@contextmanager
def _history(name: str) -> Iterator[tuple[Runtime, Account, datetime]]:
    with durable_postgres(name == "PostgreSQL") as settings, ground(**settings) as (runtime, _):
        person = create_account(runtime, email="free@example.org", password="a long benchmark password", plan="free")
        old = runtime.clock.now() - KEPT - timedelta(seconds=3 * RUNS + TURNS * TURN_RUNS)
        fill(runtime, person.id, 2 * RUNS + TURNS * TURN_RUNS, at=old, tell=lambda line: tell(f"{name}: {line}"))
        yield runtime, person, old


def _sweep(runtime: Runtime, old: datetime, runs: int) -> None:
    """The sweep of the night when so many of the oldest runs are over."""
    sweep(runtime, moment(old, runs) + KEPT)


def _bare(runtime: Runtime, person: Account, before: datetime, batch: int) -> None:
    sqlite = runtime.database.is_sqlite
    some = text("SELECT id FROM runs WHERE owner_id = :owner AND created_at < :before ORDER BY created_at LIMIT :batch")
    some = some.bindparams(bindparam("before", type_=UtcDateTime()))
    these = "IN (SELECT value FROM json_each(:ids))" if sqlite else "= ANY(CAST(:ids AS text[]))"
    deletes = [text(f"DELETE FROM {table} WHERE {column.format(these)}") for table, column in CHAIN.items()]
    while True:
        with runtime.database.write() as session:
            asked = {"owner": person.id, "before": before, "batch": batch}
            ids = list(session.scalars(some, asked))
            for each in deletes if ids else ():
                session.execute(each, {"ids": json.dumps(ids) if sqlite else ids})
        if not ids:
            return


def _triggers(runtime: Runtime, old: datetime, done: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each start of a run, without a sweep and beside one in another thread, in turns."""
    owner = create_account(runtime, email="triggers@example.org", password="a long benchmark password")
    pipeline = create_pipeline(runtime, owner, SAID)

    def start() -> float:
        seconds = _seconds(lambda: start_run(runtime, owner, pipeline.id, {}))
        time.sleep(PACE_SECONDS)
        return seconds * 1000

    for _ in range(20):  # warm
        start()
    before, during = list[float](), list[float]()
    for turn in range(1, TURNS + 1):
        before += [start() for _ in range(ALONE)]
        beside = threading.Thread(target=_sweep, args=[runtime, old, done + turn * TURN_RUNS])
        beside.start()
        while beside.is_alive():
            during.append(start())
        beside.join()
        if min(len(before), len(during)) >= ENOUGH:
            break
    return before, during


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def _seconds(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return time.perf_counter() - before
