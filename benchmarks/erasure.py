"""Erasing a person with 1,000,000 rows, against bare batched DELETEs of the same rows; and who writes meanwhile."""

import os
import resource
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from benchmarks.ground import ground
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
from core.privacy.erasure.rows import BATCH, erase_rows
from core.privacy.models import PrivacyRequestRow
from core.privacy.steps import Work

SMALL = "name: Small\nsteps:\n  - {id: said, type: transform, template: Hello}\n"
ROWS = int(os.environ.get("BENCH_RUNS", "1000000"))
EVENTS = 7  # of a run beside itself and its step
TABLES = (("run_events", "run_id"), ("step_runs", "run_id"), ("runs", "id"))


def rows(count: int = ROWS) -> list[Row]:
    """Fill a database, copy it, delete the rows of the one bare, and erase the person of the other."""
    with ground() as (runtime, owner):
        runtime.dispatcher.start()
        _fill(runtime, owner, count // (EVENTS + 2))
        other = create_account(runtime, email="other@example.org", password="a long benchmark password")
        file = Path(runtime.settings.database.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy = file.with_name("bare.db")
        shutil.copyfile(file, copy)
        bare = _bare(copy, owner.id)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        erased, waits = _erase(runtime, owner, other)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    shown = sorted(waits)
    return [
        Row(f"erasure of a person with {count:,} rows", erased, "s", "bare batched DELETEs", bare, 2),
        Row("a write of somebody else meanwhile, p95", shown[int(len(shown) * 0.95)] * 1000, "ms", "limit", 200, 1),
        Row("memory that an erasure takes", max(grown, 1.0), "MB", "limit", 50, 1),
    ]


def _fill(runtime: Runtime, owner: Account, runs: int) -> None:
    pipeline = create_pipeline(runtime, owner, SMALL)
    run = start_run(runtime, owner, pipeline.id, {})
    while run_status(runtime, owner.id, run.id) in ACTIVE:
        time.sleep(0.01)
    numbers = "WITH RECURSIVE {0}(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM {0} WHERE v < {1})"
    with runtime.database.write() as session:
        for table, key in TABLES[::-1]:
            names = [name for _, name, *_ in session.execute(text(f"PRAGMA table_info({table})"))]
            made = {key: "printf('%08x-0000-7000-8000-000000000000', n.v)"}
            if table == "step_runs":
                made["id"] = "printf('%08x-0000-7000-8000-000000000001', n.v)"
            if table == "run_events":
                made["seq"] = "e.v"
            columns = ", ".join(made.get(name, f"t.{name}") for name in names)
            counted = numbers.format("n", runs) + ", e(v) AS (SELECT v FROM n WHERE v <= :events)"
            source = f"(SELECT * FROM {table} WHERE {key} = :run LIMIT 1) t, n" + (
                ", e" if table == "run_events" else ""
            )
            insert = f"INSERT INTO {table} ({', '.join(names)}) {counted} SELECT {columns} FROM {source}"
            session.execute(text(insert), {"run": run.id, "events": EVENTS})


def _bare(file: Path, owner_id: str) -> float:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON;"
        )
        begun = time.perf_counter()
        for table, key in TABLES:
            mine = f"{key} IN (SELECT id FROM runs WHERE owner_id = ?)"
            delete = f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {mine} LIMIT {BATCH})"
            while connection.execute(delete, (owner_id,)).rowcount:
                pass
        return time.perf_counter() - begun


def _erase(runtime: Runtime, owner: Account, other: Account) -> tuple[float, list[float]]:
    request_id = begin_erasure(runtime, owner.email)
    with runtime.database.read() as session:
        received = session.get_one(PrivacyRequestRow, request_id).received_at
    done, waits = threading.Event(), list[float]()

    def write() -> None:
        while not done.is_set():
            begun = time.perf_counter()
            count_try(runtime, "bench", other.id, limit=10**9, seconds=3600)
            waits.append(time.perf_counter() - begun)
            time.sleep(0.01)

    thread = threading.Thread(target=write)
    thread.start()
    begun = time.perf_counter()
    try:
        erase_rows(runtime, Work(request_id, owner.id, received, lambda: None, {}))
    finally:
        done.set()
        thread.join()
    return time.perf_counter() - begun, waits
