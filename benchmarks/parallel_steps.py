"""20 independent model steps of 500 ms through the real SDK, against the same 20 calls made by the bare SDK."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import httpx

from benchmarks.ground import ground
from benchmarks.table import Row
from core.execution.commands import start_run
from core.execution.engine import Engine
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from tests.support.server import free_port, poll_until

MODEL = "claude-sonnet-4-5"
CALLS = 20


@contextmanager
def vendor(delay_ms: int) -> Iterator[str]:
    """The vendor stand-in as a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.vendor_stub", "--port", str(port), "--delay-ms", str(delay_ms)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def listens() -> bool:
        try:
            httpx.get(url, trust_env=False)
        except httpx.HTTPError:
            return False
        return True

    try:
        poll_until(listens, 30, "the vendor stand-in did not start")
        yield url
    finally:
        process.kill()
        process.wait()


async def _bare(url: str) -> float:
    async with anthropic.AsyncAnthropic(api_key="sk-ant-test", base_url=url, max_retries=0) as client:

        async def call(number: int) -> None:
            async with client.messages.stream(
                model=MODEL, max_tokens=64, messages=[{"role": "user", "content": f"Step {number}"}]
            ) as stream:
                await stream.get_final_message()

        await asyncio.gather(*(call(n) for n in range(CALLS)))  # warm
        before = time.perf_counter()
        await asyncio.gather(*(call(n) for n in range(CALLS)))
        return time.perf_counter() - before


def rows() -> list[Row]:
    """The row of parallel steps: the best of five of each, taken in turn."""
    steps = [{"id": f"s{n}", "model": MODEL, "prompt": f"Step {n}", "max_tokens": 64} for n in range(CALLS)]
    with vendor(500) as url, ground(anthropic_api_key="sk-ant-test", anthropic_base_url=url) as (runtime, owner):
        pipeline = create_pipeline(runtime, owner, {"name": "Wide", "version": 1, "steps": steps})

        async def measure() -> tuple[float, float]:
            engine = Engine(runtime, "serve:bench")

            async def ours() -> float:
                run = start_run(runtime, owner, pipeline.id, {})
                before = time.perf_counter()
                await engine.advance(run.id)
                wall = time.perf_counter() - before
                ended = get_run(runtime, owner.id, run.id)
                assert ended.status == "completed", ended.error
                return wall

            await ours()  # warm
            pairs = [(await ours(), await _bare(url)) for _ in range(5)]
            engine.close()
            await runtime.providers.aclose()
            return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)

        wall, bare = asyncio.run(measure())
    return [Row("20 independent steps of 500 ms, real SDK", wall, "s", "bare SDK", bare, 1.15)]
