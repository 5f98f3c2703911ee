"""Many machines on PostgreSQL: two workers against one, and the time from trigger to first step through the queue."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.parallel_steps import MODEL
from benchmarks.table import Row
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.bootstrap import build_runtime, prepare
from core.execution.commands import start_run
from core.execution.domain import FINAL
from core.execution.queries import get_run, list_runs
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from tests.support.postgres import new_database
from tests.support.server import poll_until, vendor_process
from tests.support.workers import WorkerProcess

RUNS, SAMPLES = 150, 60
LATENCY_LIMIT_MS = 100


@contextmanager
def _workers(count: int, concurrency: int) -> Iterator[tuple[Runtime, Account]]:
    with tempfile.TemporaryDirectory() as folder, vendor_process(200) as url:
        data = Path(folder) / "data"
        settings = {"DATABASE_URL": new_database(), "KEY_STORE_URL": new_database(), "ANTHROPIC_BASE_URL": url}
        settings |= {"ANTHROPIC_API_KEY": "sk-ant-test", "STEPIQ_RUNS_PER_PERSON": "1000"}
        chosen = load_settings(_env_file=None, data_dir=data, bcrypt_cost=4, **settings)
        runtime = build_runtime(chosen)
        prepare(runtime)
        owner = create_account(runtime, email="bench@example.org", password="a long benchmark password")
        processes = [WorkerProcess(data, f"worker{n}", concurrency, **settings) for n in range(count)]
        for process in processes:
            process.start()
        try:
            yield runtime, owner
        finally:
            for process in processes:
                process.end()
            runtime.database.dispose()


def _drain(count: int) -> float:
    """Seconds that `count` workers of ten places each take for all runs."""
    steps = [{"id": f"s{n}", "model": MODEL, "prompt": f"go {n}", "max_tokens": 64} for n in range(2)]
    steps[1]["prompt"] = "go {{steps.s0.output}}"
    with _workers(count, 10) as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, {"name": "Pair", "version": 1, "steps": steps}).id
        before = time.perf_counter()
        for _ in range(RUNS):
            start_run(runtime, owner, pipeline, {})
        poll_until(lambda: not list_runs(runtime, owner.id, active=True, limit=1).items, 240, "not drained")
        return time.perf_counter() - before


def rows() -> list[Row]:
    """Throughput and latency of the queue."""
    one, two = _drain(1), _drain(2)
    waits = []
    with _workers(1, 10) as (runtime, owner):
        step = {"id": "a", "type": "transform", "template": "x"}
        pipeline = create_pipeline(runtime, owner, {"name": "One", "version": 1, "steps": [step]}).id
        for _ in range(SAMPLES):
            before = time.perf_counter()
            run = start_run(runtime, owner, pipeline, {})
            while get_run(runtime, owner.id, run.id).status not in FINAL:
                time.sleep(0.002)
            waits.append((time.perf_counter() - before) * 1000)
    waits.sort()
    return [
        Row(f"{RUNS} runs of 2 steps of 200 ms, two workers of 10", two, "s", "one worker", one, 0.65),
        Row(
            "trigger to first step through the queue, p50", statistics.median(waits), "ms", "limit", LATENCY_LIMIT_MS, 1
        ),
    ]
