"""Fifty runs at once on ten credits, advanced by two engines: never more is spent, and every refusal says why."""

import asyncio
from collections.abc import Callable

from core.credits.commands import set_credits
from core.execution.engine import Engine, run_to_end
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.support.credit_rush import check_ended, spender, start_all
from tests.support.vendor_stub import StubServer


async def test_fifty_runs_on_ten_credits(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    with StubServer() as vendor:
        runtime = runtime_with(anthropic_api_key="sk-ant-test", anthropic_base_url=vendor.url, **database_settings)
        person, pipeline = spender(runtime)
        runs, refused = start_all(runtime, person, pipeline, threads=4)
        assert (len(runs), refused) == (50, 0), "nothing is held before a run begins"
        engines = [Engine(runtime, f"worker:{name}") for name in "ab"]
        await asyncio.gather(*(run_to_end(engines[number % 2], run_id) for number, run_id in enumerate(runs)))
        ended = check_ended(runtime, person, runs)
        assert ended["failed"] >= 40, ended
        set_credits(runtime, person, micros=MICROS)
        assert start_all(runtime, person, pipeline, threads=4) == ([], 50), "too little is left to begin"
        for engine in engines:
            engine.close()
        await runtime.providers.aclose()
