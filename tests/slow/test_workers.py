"""Two workers with 200 runs under way: one is killed, one freezes. Nothing is lost, nothing is doubled."""

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from sqlalchemy import text

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.http_peer import HttpPeer
from tests.support.postgres import new_database
from tests.support.server import poll_until, vendor_process
from tests.support.workers import WorkerProcess

pytestmark = pytest.mark.slow
RUNS = 200


@pytest.fixture
def receiver() -> Iterator[HttpPeer]:
    """A receiver in a loop of its own, which remembers every request."""
    peer, loop = HttpPeer(), asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(peer.__aenter__(), loop).result()
    yield peer
    loop.call_soon_threadsafe(loop.stop)


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    with vendor_process(300) as url:
        yield {
            "DATABASE_URL": new_database(),
            "KEY_STORE_URL": new_database(),
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": url,
            "OUTBOUND_ALLOWLIST": "127.0.0.1",
            "STEPIQ_RUNS_PER_PERSON": "1000",
        }


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], settings: dict[str, str]) -> Runtime:
    return runtime_with(**{name.lower(): value for name, value in settings.items() if not name.startswith("STEPIQ")})


@pytest.fixture
def owner(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD)


def definition(receiver: HttpPeer) -> dict[str, Any]:
    call = {"model": "claude-sonnet-4-5", "max_tokens": 64}
    return {
        "name": "Chain",
        "version": 1,
        "steps": [
            {"id": "a", "prompt": "one", **call},
            {"id": "act", "type": "webhook", "url": f"http://127.0.0.1:{receiver.port}/", "body": "{{steps.a.output}}"},
            {"id": "b", "prompt": "two {{steps.act.output.status}}", **call},
            {"id": "c", "prompt": "three {{steps.b.output}}", **call},
        ],
    }


def rows(runtime: Runtime) -> dict[str, tuple[Any, ...]]:
    with runtime.database.read() as session:
        found = session.execute(
            text("SELECT id, run_id, step_id, attempt, status, completed_at, content FROM step_runs")
        )
        return {row.id: tuple(row) for row in found}


def count_ended(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return session.scalar(text("SELECT count(*) FROM runs WHERE status IN ('completed', 'failed')")) or 0


def test_a_worker_dies_and_another_freezes(
    runtime: Runtime, owner: Account, receiver: HttpPeer, settings: dict[str, str], tmp_path: Path
) -> None:
    pipeline = create_pipeline(runtime, owner, definition(receiver)).id
    workers = [WorkerProcess(tmp_path / "data", name, 100, **settings) for name in ("killed", "frozen", "third")]
    killed, frozen, third = workers
    try:
        killed.start()
        frozen.start()
        runs = [start_run(runtime, owner, pipeline, {}).id for _ in range(RUNS)]
        sleep(1.5)  # in the middle of it: the moment is what is tested
        killed.end(signal.SIGKILL)
        sleep(0.5)
        frozen.send(signal.SIGSTOP)
        third.start()
        poll_until(lambda: count_ended(runtime) == RUNS, 180, "not every run ended")
        before = rows(runtime)
        frozen.send(signal.SIGCONT)
        sleep(3)  # what the thawed worker still had in its hands it may try to write now
        assert rows(runtime) == before, "the stale worker wrote to the journal"
    finally:
        for each in workers:
            each.end()
    views = [get_run(runtime, owner.id, run_id) for run_id in runs]
    assert Counter(view.status for view in views) == {"completed": RUNS}
    finished = Counter((row[1], row[2]) for row in rows(runtime).values() if row[4] == "completed")
    assert len(finished) == RUNS * 4 and set(finished.values()) == {1}, "a finished step was repeated"
    delivered = Counter(request.headers["x-stepiq-delivery"] for request in receiver.requests)
    assert set(delivered) == {f"{run_id}:act" for run_id in runs}, "each act once, for who keeps its id"
