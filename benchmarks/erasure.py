"""Erasing a person with 1,000,000 rows, against bare batched DELETEs of the same rows; and who writes meanwhile.

The time is taken while nobody else writes. How long others wait is taken on the erasure of a second person with a tenth
of the rows, who is erased while somebody writes all the time.
"""

import json
import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from benchmarks.ground import ground
from benchmarks.memory import forget_peak, peak_mb, resident_mb
from benchmarks.progress import tell
from benchmarks.table import Row
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.domain import ACTIVE
from core.execution.queries import run_status
from core.pipelines.commands import create_pipeline
from core.platform.ratelimits import count_try
from core.platform.runtime import Runtime
from core.privacy.erasure.commands import begin_erasure
from core.privacy.erasure.ending import freeze
from core.privacy.erasure.rows import erase_rows
from core.privacy.models import PrivacyRequestRow
from core.privacy.steps import Work

SMALL = "name: Small\nsteps:\n  - {id: said, type: transform, template: Hello}\n"
ROWS = int(os.environ.get("BENCH_RUNS", "1000000"))
EVENTS = 7  # of a run beside itself and its step
EACH = EVENTS + 2
BARE_BATCH = 500
"""Rows in a transaction of the bare peer: about what an erasure takes while nobody else writes."""
AT_ONCE = 20_000
TABLES = (("run_events", "run_id"), ("step_runs", "run_id"), ("runs", "id"))
PASSWORD = "a long benchmark password"


def rows(count: int = ROWS) -> list[Row]:
    """Fill a database, copy it, delete the rows of the one bare, and erase the person of the other."""
    with ground() as (runtime, owner):
        runtime.dispatcher.start()
        _fill(runtime, owner, 0, count // EACH)
        tell(f"erasure: {count:,} rows written")
        file = Path(runtime.settings.database.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = file.with_name("bare.db")
        shutil.copyfile(file, copy)
        bare = _bare(copy, owner.id)
        copy.unlink()
        tell(f"erasure: deleted bare in {bare:.0f} s")
        forget_peak()
        before = resident_mb()
        erased = _erase(runtime, owner)
        grown = peak_mb() - before
        tell(f"erasure: erased in {erased:.0f} s")
        waits = _waits_beside(runtime, count)
    p95 = sorted(waits)[int(len(waits) * 0.95)] * 1000
    return [
        Row(f"erasure of a person with {count:,} rows", erased, "s", "bare batched DELETEs", bare, 2),
        Row(f"a write of somebody else meanwhile, p95 of {len(waits):,}", p95, "ms", "limit", 200, 1),
        Row("memory that an erasure takes", max(grown, 1.0), "MB", "limit", 50, 1),
    ]


def _fill(runtime: Runtime, owner: Account, first: int, runs: int) -> None:
    pipeline = create_pipeline(runtime, owner, SMALL)
    run = start_run(runtime, owner, pipeline.id, {})
    while run_status(runtime, owner.id, run.id) in ACTIVE:
        time.sleep(0.01)
    numbers = "WITH RECURSIVE n(v) AS (SELECT :first + 1 UNION ALL SELECT v + 1 FROM n WHERE v < :last)"
    for begin in range(first, first + runs, AT_ONCE):
        last = min(begin + AT_ONCE, first + runs)
        with runtime.database.write() as session:
            for table, key in TABLES[::-1]:
                names = [name for _, name, *_ in session.execute(text(f"PRAGMA table_info({table})"))]
                made = {key: "printf('%08x-0000-7000-8000-000000000000', n.v)"}
                if table == "step_runs":
                    made["id"] = "printf('%08x-0000-7000-8000-000000000001', n.v)"
                if table == "run_events":
                    made["seq"] = "e.v"
                counted = numbers
                source = f"n, (SELECT * FROM {table} WHERE {key} = :run LIMIT 1) t"
                if table == "run_events":
                    counted += ", e(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM e WHERE v < :events)"
                    source += ", e"
                columns = ", ".join(made.get(name, f"t.{name}") for name in names)
                insert = f"INSERT INTO {table} ({', '.join(names)}) {counted} SELECT {columns} FROM {source}"
                asked = {"run": run.id, "events": EVENTS, "first": begin, "last": last}
                session.execute(text(insert), asked)


def _bare(file: Path, owner_id: str) -> float:
    """Ids are looked up a page at a time, each after the last, and a page is a transaction: no row is met twice."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON;"
        )
        begun, after = time.perf_counter(), ""
        while True:
            page = "SELECT id FROM runs WHERE owner_id = ? AND id > ? ORDER BY id LIMIT ?"
            ids = [run for (run,) in connection.execute(page, (owner_id, after, BARE_BATCH // EACH))]
            if not ids:
                return time.perf_counter() - begun
            after = ids[-1]
            connection.execute("BEGIN IMMEDIATE")
            for table, key in TABLES:
                these = f"{key} IN (SELECT value FROM json_each(?))"
                connection.execute(f"DELETE FROM {table} WHERE {these}", (json.dumps(ids),))
            connection.execute("COMMIT")


def _erase(runtime: Runtime, owner: Account) -> float:
    request_id = begin_erasure(runtime, owner.email)
    with runtime.database.read() as session:
        received = session.get_one(PrivacyRequestRow, request_id).received_at
    work = Work(request_id, owner.id, received, lambda: None, {})
    freeze(runtime, work)  # from here on nothing is written about them, as in every erasure
    begun = time.perf_counter()
    erase_rows(runtime, work)
    return time.perf_counter() - begun


def _waits_beside(runtime: Runtime, count: int) -> list[float]:
    """Seconds of each write of somebody else, while a second person is erased."""
    second = create_account(runtime, email="second@example.org", password=PASSWORD)
    other = create_account(runtime, email="other@example.org", password=PASSWORD)
    _fill(runtime, second, count, max(count // 10, 30_000) // EACH)
    done, waits = threading.Event(), list[float]()

    def write() -> None:
        while not done.is_set():
            begun = time.perf_counter()
            count_try(runtime, "bench", other.id, limit=10**9, seconds=3600)
            waits.append(time.perf_counter() - begun)
            time.sleep(0.01)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        _erase(runtime, second)
    finally:
        done.set()
        thread.join()
    return waits
