"""20 independent model steps of 500 ms through the real SDK, against the same 20 calls made by the bare SDK."""

import asyncio
import time

import anthropic

from benchmarks.ground import ground
from benchmarks.table import Row
from core.execution.commands import start_run
from core.execution.engine import Engine
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from tests.support.server import vendor_process

MODEL = "claude-sonnet-4-5"
CALLS = 20


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
    with (
        vendor_process(500) as url,
        ground(anthropic_api_key="sk-ant-test", anthropic_base_url=url) as (runtime, owner),
    ):
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
