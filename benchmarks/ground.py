"""What every measurement stands on: a Runtime over a fresh SQLite file, and a vendor inside the process."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.bootstrap import build_runtime, prepare
from core.platform.garbage import tune_collector
from core.platform.logging import configure_logging
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from core.providers.domain import ModelReply, ModelRequest, Usage


class SleepingVendor:
    """A model that answers after a pause, inside the process: what is left is the engine."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def complete(self, request: ModelRequest, on_delta: Callable[[str], None] | None) -> ModelReply:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return ModelReply("done", Usage(10, 2), "end", request.model, "demo")

    def port_for(self, *_: Any, **__: Any) -> "SleepingVendor":
        return self

    async def warm(self) -> None:
        """Nothing to load."""

    async def aclose(self) -> None:
        """Nothing is open."""


@contextmanager
def ground(*, vendor_seconds: float | None = None, **settings: Any) -> Iterator[tuple[Runtime, Account]]:
    """A prepared Runtime and a person without limits, in a folder that is removed afterwards."""
    configure_logging(json=False)
    with tempfile.TemporaryDirectory() as folder:
        chosen = load_settings(_env_file=None, data_dir=Path(folder), bcrypt_cost=4, demo_pace_ms=0, **settings)
        runtime = build_runtime(chosen)
        prepare(runtime)
        tune_collector()  # as serving does
        if vendor_seconds is not None:
            runtime = replace(runtime, providers=SleepingVendor(vendor_seconds))  # type: ignore[arg-type]
            runtime.dispatcher.bind(runtime)  # type: ignore[attr-defined]
        owner = create_account(runtime, email="bench@example.org", password="a long benchmark password")
        try:
            yield runtime, owner
        finally:
            runtime.dispatcher.stop()
            runtime.database.dispose()


def chain(count: int, *, kind: str) -> dict[str, Any]:
    """A pipeline of `count` steps, each needing the one before. `kind`: transform or llm."""
    steps = []
    for n in range(1, count + 1):
        text = f"step {n}" if n == 1 else f"{{{{steps.s{n - 1}.output}}}}"
        body = {"template": text} if kind == "transform" else {"prompt": f"go {text}", "model": "demo"}
        steps.append({"id": f"s{n}", "type": kind, **body})
    return {"name": "Chain", "version": 1, "steps": steps}
