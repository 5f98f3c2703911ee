"""Wall time of parallel steps and of many runs, and the time from trigger to first step."""

import asyncio
import statistics
import time

from benchmarks.ground import chain, ground
from benchmarks.memory import peak_mb
from benchmarks.table import Row
from core.execution.commands import start_run
from core.execution.engine import Engine
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline

RUNS = 200
FLOOR = 0.9


def many_runs() -> list[Row]:
    """200 runs of 3 steps of 300 ms at once, in one process."""
    with ground(vendor_seconds=0.3) as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, chain(3, kind="llm"))
        ids = [start_run(runtime, owner, pipeline.id, {}).id for _ in range(RUNS)]

        async def advance_all() -> float:
            engine = Engine(runtime, "serve:bench")
            before = time.perf_counter()
            await asyncio.gather(*(engine.advance(run_id) for run_id in ids))
            wall = time.perf_counter() - before
            engine.close()
            return wall

        wall = asyncio.run(advance_all())
        assert {get_run(runtime, owner.id, run_id).status for run_id in ids} == {"completed"}
    return [
        Row("200 runs x 3 steps of 300 ms, wall", wall, "s", "floor", FLOOR, 1.5),
        Row("the same, peak memory of the process", peak_mb(), "MB", "limit", 1024, 1),
    ]


def first_step() -> list[Row]:
    """From the command to the first step's row, with the dispatcher of a serving process."""
    with ground(vendor_seconds=0.0) as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, chain(1, kind="llm"))
        runtime.dispatcher.start()
        waits = []
        for _ in range(100):
            before = time.perf_counter()
            run = start_run(runtime, owner, pipeline.id, {})
            while get_run(runtime, owner.id, run.id).steps[0].status == "pending":
                time.sleep(0.001)
            waits.append((time.perf_counter() - before) * 1000)
    waits.sort()
    return [
        Row("trigger to first step, p50", statistics.median(waits), "ms", "limit", 30, 1),
        Row("trigger to first step, p95", waits[94], "ms", "limit", 80, 1),
    ]
