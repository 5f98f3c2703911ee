"""What a crash leaves open is closed: no hold outlives its run, and what two do at once is done once."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.commands import grant_month, set_credits
from core.credits.queries import balance, verify_ledger
from core.execution import claims, journal
from core.execution.changes import Change, StepEnded, StepKey, StepStarted
from core.execution.commands import cancel_run, run_cells, start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.database import IDLE_SECONDS
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD

TEXT = """
name: Two calls
version: 1
steps:
  - {id: a, model: demo, prompt: "Summarise: bees make honey."}
  - {id: b, model: demo, prompt: "Summarise: hives hold bees."}
"""
HELD = 3 * MICROS


@pytest.fixture
def person(runtime: Runtime) -> Account:
    made = create_account(runtime, email="starter@example.org", password=PASSWORD, plan="starter")
    set_credits(runtime, made, micros=10 * MICROS)
    return made


@pytest.fixture
async def engine(runtime: Runtime) -> AsyncIterator[Engine]:
    made = Engine(runtime, "serve:dead")  # the same name: its lease is its own to take again
    yield made
    made.close()
    await runtime.providers.aclose()


def _crash_in_a_call(
    runtime: Runtime, run: RunView, *, step_id: str, mark: bytes = b"mark", also_fail: str = ""
) -> None:
    """A process claims the run, holds credits, calls out, and is never heard of again."""
    claim = claims.claim(runtime, run.id, "serve:dead")
    assert claim is not None
    index = {"a": 0, "b": 1}
    row = runtime.ids.new()
    key = StepKey("", step_id, 1)
    started = StepStarted(key, row, index[step_id], "llm", 1, "demo", "demo", mark, HELD, False, False, {})
    changes: list[Change] = [started]
    if also_fail:
        key, row = StepKey("", also_fail, 1), runtime.ids.new()
        other = StepStarted(key, row, index[also_fail], "llm", 1, "demo", "demo", None, 0, False, False, {})
        changes.append(StepEnded(key, row, 1, "failed", {"error": "no"}, error_code="BAD_REQUEST", started=other))
    journal.apply(runtime, claim, changes)


def _assert_nothing_held(runtime: Runtime, person: Account) -> None:
    left = balance(runtime, person)
    assert (left.held_micros, left.spent_micros) == (0, 0)
    assert verify_ledger(runtime).problems == ()


async def test_a_cancel_after_a_crash_releases_the_hold(runtime: Runtime, person: Account, engine: Engine) -> None:
    run = start_run(runtime, person, create_pipeline(runtime, person, TEXT).id, {})
    _crash_in_a_call(runtime, run, step_id="a")
    assert balance(runtime, person).held_micros == HELD
    cancel_run(runtime, person.id, run.id)
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "cancelled"
    assert after.steps[0].status == "failed", "no step of an ended run is shown as running"
    _assert_nothing_held(runtime, person)


async def test_a_failure_beside_a_cut_call_releases_the_hold(runtime: Runtime, person: Account, engine: Engine) -> None:
    run = start_run(runtime, person, create_pipeline(runtime, person, TEXT).id, {})
    _crash_in_a_call(runtime, run, step_id="a", also_fail="b")
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "failed" and [step.status for step in after.steps] == ["failed", "failed"]
    _assert_nothing_held(runtime, person)


async def test_a_stored_output_that_stands_in_for_a_cut_call_releases_the_hold(
    runtime: Runtime, person: Account, engine: Engine
) -> None:
    pipeline = create_pipeline(runtime, person, TEXT)
    await run_to_end(engine, start_run(runtime, person, pipeline.id, {}).id)
    run = run_cells(runtime, person, pipeline.id, text=TEXT, input_data={}, mode="stale")
    _crash_in_a_call(runtime, run, step_id="a")
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "completed" and after.steps[0].status == "reused"
    _assert_nothing_held(runtime, person)


async def test_a_repeated_call_that_cannot_be_made_releases_the_hold(
    runtime: Runtime, person: Account, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_run(runtime, person, create_pipeline(runtime, person, TEXT).id, {})
    _crash_in_a_call(runtime, run, step_id="a")
    monkeypatch.setattr(runtime.catalogue, "find", lambda _model: None)  # the model is gone after the restart
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "failed" and after.error is not None and after.error["code"] == "UNKNOWN_MODEL"
    _assert_nothing_held(runtime, person)


def test_one_key_sent_many_times_at_once_starts_one_run(runtime: Runtime, person: Account) -> None:
    pipeline = create_pipeline(runtime, person, TEXT)
    with ThreadPoolExecutor(8) as pool:
        runs = list(
            pool.map(lambda _: start_run(runtime, person, pipeline.id, {}, idempotency_key="once").id, range(16))
        )
    assert len(set(runs)) == 1


def test_the_month_is_granted_once_by_many_at_once(runtime: Runtime, person: Account) -> None:
    before = balance(runtime, person).available_micros
    together = Barrier(8, timeout=20)

    def ask(_: int) -> None:
        together.wait()
        grant_month(runtime, person)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))
    assert balance(runtime, person).available_micros == before + 2000 * MICROS


async def test_a_database_that_is_away_for_a_moment_costs_no_run(
    runtime: Runtime, person: Account, engine: Engine
) -> None:
    run = start_run(runtime, person, create_pipeline(runtime, person, TEXT).id, {})
    away: list[str] = []

    def refuse(_conn: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("INSERT INTO step_runs") and not away:
            away.append(statement)
            raise OperationalError(statement, {}, Exception("server closed the connection"))

    event.listen(runtime.database.engine, "before_cursor_execute", refuse)
    await engine.advance(run.id)
    assert away and get_run(runtime, person.id, run.id).status == "running", "not failed for what is not its fault"
    await run_to_end(engine, run.id)
    assert get_run(runtime, person.id, run.id).status == "completed"


def test_a_frozen_process_gives_up_its_locks(runtime: Runtime) -> None:
    if runtime.database.is_sqlite:
        pytest.skip("SQLite is used by one process only")
    with runtime.database.connect() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == f"{IDLE_SECONDS}s"
