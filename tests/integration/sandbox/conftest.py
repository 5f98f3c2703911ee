"""What the sandbox tests measure with: the time of a call, and what it leaves behind."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.execution.sandbox.calls import run_javascript, run_python, run_sql
from core.execution.sandbox.limits import Limits
from core.execution.sandbox.server import SERVER
from core.execution.sandbox.wire import LANGUAGES
from core.execution.sandbox.worker.fork_server import SPARE_WORKERS
from core.shared.errors import InvalidInput

SECONDS = 0.5
ALLOWED_OVER = 0.5


@dataclass(frozen=True)
class Contained:
    """What an attack came to: its error, the seconds it took and those it was allowed, and the longest pause
    of the event loop meanwhile."""

    error: InvalidInput | None
    value: Any
    seconds: float
    allowed: float
    pause: float
    growth_mb: float


async def call(language: str, source: str, limits: Limits | None = None) -> Any:
    """One call in the language, with nothing in scope; by default with time enough on a busy machine."""
    limits = limits or Limits(seconds=20, memory_mb=512)
    if language == "sql":
        return await run_sql(source, {}, {}, limits)
    run = run_python if language == "python" else run_javascript
    return await run(source, {"input": {}, "vars": {}, "steps": {}}, limits)


TRIVIAL = {"python": "output = 1", "javascript": "output = 1", "sql": "SELECT 1"}


async def contain(language: str, source: str, limits: Limits | None = None) -> Contained:
    """Run an attack, and measure it against a trivial call of the same moment."""
    limits = limits or Limits(seconds=SECONDS, memory_mb=512)
    await call(language, TRIVIAL[language])
    before = time.monotonic()
    await call(language, TRIVIAL[language])
    trivial = time.monotonic() - before
    pauses: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            pauses.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    memory = resident_mb()
    error, value = None, None
    before = time.monotonic()
    try:
        value = await call(language, source, limits)
    except InvalidInput as raised:
        error = raised
    seconds = time.monotonic() - before
    ticking.cancel()
    limit = limits.seconds + ALLOWED_OVER + 4 * trivial
    assert_only_spares()
    return Contained(error, value, seconds, limit, max(pauses, default=0.0), resident_mb() - memory)


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def processes_below(pid: int) -> dict[int, str]:
    """All processes that descend from one, with their states."""
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
                found |= {c: Path(f"/proc/{c}/stat").read_text().rpartition(")")[2].split()[0] for c in children}
            except OSError:
                continue
            waiting += children
    return found


def assert_only_spares() -> None:
    """Below the fork server there are only workers that wait for a call, and none of them is dead or busy."""
    assert SERVER.pid is not None
    children = [pid for task in Path(f"/proc/{SERVER.pid}/task").glob("*/children") for pid in task.read_text().split()]
    assert len(children) <= SPARE_WORKERS * len(LANGUAGES)
    assert "Z" not in processes_below(SERVER.pid).values()


@pytest.fixture(autouse=True, scope="module")
def _fresh_server() -> Iterator[None]:
    yield
    SERVER.stop()
