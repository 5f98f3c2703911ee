"""Running a definition to where it can go no further, on both databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime

Execute = Callable[..., Awaitable[RunView]]


@pytest.fixture
async def engine(runtime: Runtime) -> AsyncIterator[Engine]:
    made = Engine(runtime, "serve:test")
    yield made
    made.close()
    await runtime.providers.aclose()


@pytest.fixture
def execute(runtime: Runtime, owner: Account, engine: Engine) -> Execute:
    """Save a definition, run it, and give the run as it is then."""

    async def run(steps: list[dict[str, Any]], input_data: dict[str, Any] | None = None, **top: Any) -> RunView:
        source = {"name": "Test", "version": 1, **top, "steps": steps}
        pipeline = create_pipeline(runtime, owner, source)
        started = start_run(runtime, owner, pipeline.id, input_data or {})
        await run_to_end(engine, started.id)
        return get_run(runtime, owner.id, started.id)

    return run
