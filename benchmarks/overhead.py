"""CPU of the engine a no-op step, against a hand-written two-write journal and LangGraph's SQLite checkpointer."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from benchmarks.ground import chain, ground
from benchmarks.table import Row
from core.execution.commands import start_run
from core.execution.engine import Engine
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline

RUNS, STEPS = 100, 10
PEER = Path(__file__).with_name("langgraph_peer.py")


def engine_ms(kind: str) -> float:
    """CPU milliseconds a step of our engine, in process and sequential."""
    with ground(vendor_seconds=0.0) as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, chain(STEPS, kind=kind))
        ids = [start_run(runtime, owner, pipeline.id, {}).id for _ in range(RUNS)]

        async def advance_all() -> float:
            engine = Engine(runtime, "serve:bench")
            before = time.process_time()
            for run_id in ids:
                await engine.advance(run_id)
            spent = time.process_time() - before
            engine.close()
            return spent

        spent = asyncio.run(advance_all())
        assert get_run(runtime, owner.id, ids[-1]).status == "completed"
    return spent * 1000 / (RUNS * STEPS)


def journal_ms() -> float:
    """CPU milliseconds a step of two plain writes on the same kind of SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "peer.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(
            "CREATE TABLE steps (run INTEGER, step INTEGER, state TEXT, output TEXT, PRIMARY KEY (run, step))"
        )
        before = time.process_time()
        for run in range(RUNS):
            for step in range(STEPS):
                connection.execute("INSERT INTO steps VALUES (?, ?, 'running', NULL)", (run, step))
                connection.execute(
                    "UPDATE steps SET state = 'completed', output = ? WHERE run = ? AND step = ?", ("done", run, step)
                )
        spent = time.process_time() - before
        connection.close()
    return spent * 1000 / (RUNS * STEPS)


def langgraph_ms() -> float | None:
    """CPU milliseconds a step of LangGraph with its SQLite checkpointer, in an environment of its own."""
    folder = Path(".venv-bench")
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        packages = ["langgraph", "langgraph-checkpoint-sqlite"]
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=False)
        if done.returncode != 0:
            return None
    answer = subprocess.run(
        [str(python), str(PEER), str(RUNS), str(STEPS)], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        print(answer.stderr[-500:], file=sys.stderr)
        return None
    return float(json.loads(answer.stdout)["ms"])


def rows() -> list[Row]:
    """The overhead rows."""
    ours, calls, plain, peer = engine_ms("transform"), engine_ms("llm"), journal_ms(), langgraph_ms()
    found = [Row("engine CPU, a no-op step", ours, "ms", "two-write journal", plain, 20)]
    if peer is None:
        print("LangGraph could not be installed: its row is left out.", file=sys.stderr)
    else:
        found.append(Row("engine CPU, a no-op step", ours, "ms", "LangGraph SQLite", peer, 0.5))
        # A call is journalled before and after; a step of LangGraph's graph once.
        found.append(Row("engine CPU, a model call that returns at once", calls, "ms", "LangGraph SQLite", peer, 1))
    return found
