"""The whole server over HTTP: a vendor stand-in of 200 ms a call, runs of three model steps."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.memory import peak_mb
from benchmarks.parallel_steps import MODEL
from benchmarks.table import Row
from tests.support.server import ServerProcess, vendor_process

EMAIL, PASSWORD = "bench@example.org", "a long benchmark password"
FLOOR_MS = 600.0
ENDED = ("completed", "failed", "cancelled")


def _definition() -> dict[str, object]:
    steps = [{"id": "s1", "model": MODEL, "prompt": "go", "max_tokens": 64}]
    steps += [
        {"id": f"s{n}", "model": MODEL, "prompt": f"go {{{{steps.s{n - 1}.output}}}}", "max_tokens": 64} for n in (2, 3)
    ]
    return {"name": "Chain", "version": 1, "steps": steps}


async def _run(client: httpx.AsyncClient, pipeline: str) -> float:
    """Milliseconds from the trigger until the stream says that the run has ended."""
    before = time.perf_counter()
    answer = await client.post(f"/pipelines/{pipeline}/run", json={"input_data": {}})
    answer.raise_for_status()
    status = ""
    async with client.stream("GET", f"/runs/{answer.json()['id']}/stream") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event:"):
                event = line
            elif event == "event: run_status" and line.startswith("data:"):
                status = next((word for word in ENDED if f'"{word}"' in line), "")
                if status:
                    break
    assert status == "completed", status
    return (time.perf_counter() - before) * 1000


async def _measure(url: str, pid: int) -> list[Row]:
    async with httpx.AsyncClient(base_url=f"{url}/api", timeout=60, trust_env=False, limits=httpx.Limits()) as client:
        token = (await client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        pipeline = (await client.post("/pipelines", json={"definition": _definition()})).json()["id"]
        await _run(client, pipeline)  # warm
        over = sorted([await _run(client, pipeline) - FLOOR_MS for _ in range(30)])
        gate = asyncio.Semaphore(100)

        async def one() -> None:
            async with gate:
                await _run(client, pipeline)

        before = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(200)))
        wall = time.perf_counter() - before
    return [
        Row("over HTTP, 3 steps of 200 ms over their floor, p50", statistics.median(over), "ms", "limit", 45, 1),
        Row("over HTTP, 3 steps of 200 ms over their floor, p95", over[28], "ms", "limit", 80, 1),
        Row("over HTTP, 200 such runs, 100 at a time, wall", wall, "s", "limit", 4, 1),
        Row("the same, peak memory of the server", peak_mb(pid), "MB", "limit", 600, 1),
    ]


def rows() -> list[Row]:
    """The rows over HTTP."""
    with tempfile.TemporaryDirectory() as folder, vendor_process(200) as url:
        server = ServerProcess(Path(folder) / "data", ANTHROPIC_API_KEY="sk-ant-test", ANTHROPIC_BASE_URL=url)
        made = server.command("user", "create", EMAIL, "--password-stdin", stdin=PASSWORD + "\n")
        assert made.returncode == 0, made.stderr
        server.start()
        try:
            return asyncio.run(_measure(server.url, server.pid))
        finally:
            server.stop()
