"""1,000 runs that wait for a person: no thread, no polling, and each goes on within a second of its decision."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import start_run
from core.execution.queries import list_runs, run_status
from core.execution.reviews import decide_review
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.support.server import poll_until

pytestmark = pytest.mark.slow
RUNS, WATCHED_SECONDS, DECIDED = 1_000, 20.0, 50
DEFINITION: dict[str, Any] = {
    "name": "Ask",
    "version": 1,
    "steps": [
        {"id": "say", "type": "transform", "template": "x"},
        {"id": "ask", "type": "human_review", "message": "Good?"},
        {"id": "done", "type": "transform", "template": "{{steps.ask.output.decision}}"},
    ],
}


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str]) -> Runtime:
    return runtime_with(**database_settings)


@pytest.fixture
def owner(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD)


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def test_a_thousand_runs_wait(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, DEFINITION).id
    runtime.dispatcher.start()
    threads = threading.active_count()
    runs = [start_run(runtime, owner, pipeline, {}).id for _ in range(RUNS)]
    poll_until(lambda: not _are(runtime, owner, "pending", "running"), 240, "not every run waits")
    used, begun = cpu_seconds(), time.monotonic()
    time.sleep(WATCHED_SECONDS)  # what a waiting process costs is what is measured
    share = (cpu_seconds() - used) / (time.monotonic() - begun)
    assert threading.active_count() <= threads + 8, "threads of the pools, none of a run"
    assert share < 0.01, f"{share:.2%} of a core for {RUNS} waiting runs"
    late = []
    for run_id in runs[:DECIDED]:
        before = time.monotonic()
        decide_review(runtime, owner, run_id, "ask", "approve")
        poll_until(lambda run_id=run_id: run_status(runtime, owner.id, run_id) == "completed", 10, "never went on")
        late.append(time.monotonic() - before)
    assert max(late) < 1.0, f"one went on only after {max(late):.2f} s"


def _are(runtime: Runtime, owner: Account, *statuses: str) -> bool:
    return any(list_runs(runtime, owner.id, status=status, limit=1).items for status in statuses)
