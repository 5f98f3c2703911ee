"""Pausing everything: what it refuses, what it leaves alone, and what becomes of the times that pass meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from core.accounts.api_keys import create_api_key
from core.accounts.automation import automation_paused_at, pause_automation, resume_automation
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.automation import count_automatic_runs, stop_automatic_runs
from core.execution.commands import fork_run, retry_run, run_cells, start_run
from core.execution.domain import Starter
from core.execution.models import RunRow
from core.execution.queries import get_run
from core.execution.schedules import (
    create_schedule,
    get_schedule,
    has_due_schedules,
    start_due_schedules,
    upcoming_runs,
)
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import Conflict
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

START = datetime(2026, 3, 26, 12, tzinfo=UTC)
TEXT = "name: Greeting\nsteps:\n  - {id: greet, type: transform, template: Hello}\n"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def pipeline(runtime: Runtime, owner: Account) -> str:
    return create_pipeline(runtime, owner, TEXT).id


@pytest.fixture
def starter(runtime: Runtime, owner: Account) -> Starter:
    return Starter("api_key", create_api_key(runtime, owner, "Test", ["pipelines:execute"]).view.id)


def cron_runs(runtime: Runtime, owner: Account) -> int:
    with runtime.database.read() as session:
        mine = select(RunRow.id).where(RunRow.owner_id == owner.id, RunRow.trigger_type == "cron")
        return len(session.scalars(mine).all())


def test_keys_start_nothing_and_the_person_still_does(
    runtime: Runtime, owner: Account, pipeline: str, starter: Starter
) -> None:
    earlier = start_run(runtime, owner, pipeline, {})
    with runtime.database.write() as session:
        session.get_one(RunRow, earlier.id).status = "failed"
    assert pause_automation(runtime, owner.id) == START
    acts: tuple[Callable[..., Any], ...] = (
        lambda **by: start_run(runtime, owner, pipeline, {}, **by),
        lambda **by: start_run(runtime, owner, pipeline, {}, trigger="webhook", **by),
        lambda **by: retry_run(runtime, owner, earlier.id, **by),
        lambda **by: fork_run(runtime, owner, pipeline, earlier.id, **by),
    )
    for act in acts:
        with pytest.raises(Conflict) as refused:
            act(starter=starter)
        assert refused.value.code == "AUTOMATION_PAUSED" and "user/automation/resume" in refused.value.message
        assert act().status == "pending"
    assert run_cells(runtime, owner, pipeline, text=TEXT, input_data={}, mode="all").status == "pending"
    resume_automation(runtime, owner.id)
    assert acts[0](starter=starter).status == "pending"


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("once", 1), ("all", 3)])
def test_schedules_rest_and_then_do_with_missed_times_as_they_say(
    runtime: Runtime, owner: Account, pipeline: str, clock: FixedClock, missed: Any, runs: int
) -> None:
    made = create_schedule(runtime, owner, pipeline, name="x", cron_expression="0 9 * * *", missed=missed)
    pause_automation(runtime, owner.id)
    clock.moment = datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert upcoming_runs(runtime, owner.id, limit=1) == ()
    assert not has_due_schedules(runtime, clock.now()) and start_due_schedules(runtime, clock.now()) == 0
    assert get_schedule(runtime, owner.id, made.id).next_at == made.next_at, "the time is kept, not passed over"
    resume_automation(runtime, owner.id)
    start_due_schedules(runtime, clock.now())
    assert cron_runs(runtime, owner) == runs
    after = get_schedule(runtime, owner.id, made.id)
    assert after.enabled and after.paused_code is None and after.next_at == datetime(2026, 3, 30, 9, tzinfo=UTC)


def test_a_pause_in_the_moment_a_time_comes_leaves_the_time_due(
    runtime: Runtime, owner: Account, pipeline: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule was found due, and its person paused before the run was made."""
    made = create_schedule(runtime, owner, pipeline, name="x", cron_expression="0 9 * * *")
    assert made.next_at is not None
    clock.moment = made.next_at

    def pause_first(*args: Any, **named: Any) -> Any:
        pause_automation(runtime, owner.id)
        return start_run(*args, **named)

    monkeypatch.setattr("core.execution.schedules.start_run", pause_first)
    assert start_due_schedules(runtime, clock.now()) == 0
    after = get_schedule(runtime, owner.id, made.id)
    assert after.enabled and after.next_at == made.next_at and cron_runs(runtime, owner) == 0


def test_paused_schedules_keep_no_other_waiting(runtime: Runtime, owner: Account, clock: FixedClock) -> None:
    other = create_account(runtime, email="bo@example.org", password=PASSWORD)
    for each in (owner, other):
        source = TEXT + 'schedule: {cron: "0 9 * * *"}\n'
        create_pipeline(runtime, each, source)
    pause_automation(runtime, owner.id)
    clock.moment = datetime(2026, 3, 27, 9, tzinfo=UTC)
    assert start_due_schedules(runtime, clock.now()) == 1
    assert (cron_runs(runtime, owner), cron_runs(runtime, other)) == (0, 1)


def test_a_pause_counts_from_its_first_moment(runtime: Runtime, owner: Account, clock: FixedClock) -> None:
    assert automation_paused_at(runtime, owner.id) is None
    pause_automation(runtime, owner.id)
    clock.advance(hours=1)
    assert pause_automation(runtime, owner.id) == START == automation_paused_at(runtime, owner.id)


def test_runs_that_automation_started_can_be_stopped_with_it(
    runtime: Runtime, owner: Account, pipeline: str, starter: Starter, clock: FixedClock
) -> None:
    mine = start_run(runtime, owner, pipeline, {})
    by_key = [start_run(runtime, owner, pipeline, {}, starter=starter) for _ in range(2)]
    made = create_schedule(runtime, owner, pipeline, name="x", cron_expression="0 9 * * *")
    assert made.next_at is not None
    clock.moment = made.next_at + timedelta(seconds=1)
    start_due_schedules(runtime, clock.now())
    pause_automation(runtime, owner.id)
    assert count_automatic_runs(runtime, owner.id) == 3 == stop_automatic_runs(runtime, owner.id)
    for run in by_key:
        assert get_run(runtime, owner.id, run.id).cancel_requested_at is not None
    assert get_run(runtime, owner.id, mine.id).cancel_requested_at is None


def test_after_the_switch_nothing_is_on_its_way(
    runtime: Runtime, owner: Account, pipeline: str, starter: Starter
) -> None:
    """Starts and the switch at the same time: what was made is there once the switch has returned."""

    def start(_: int) -> bool:
        try:
            return start_run(runtime, owner, pipeline, {}, starter=starter) is not None
        except Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        starts = [pool.submit(start, number) for number in range(16)]
        pause_automation(runtime, owner.id)
        seen = count_automatic_runs(runtime, owner.id)
        made = sum(each.result() for each in starts)
    assert made == seen == count_automatic_runs(runtime, owner.id)


@pytest.mark.parametrize("kind", ["api_key", "schedule"])
def test_a_run_is_made_with_the_switch_and_its_starter_locked(
    runtime: Runtime, owner: Account, pipeline: str, starter: Starter, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runtime.database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
    if kind == "schedule":
        made = create_schedule(runtime, owner, pipeline, name="x", cron_expression="0 9 * * *")
        starter = Starter("schedule", made.id)
    locked: dict[str, bool] = {}

    def look(*_args: Any, **_named: Any) -> None:
        """Inside the transaction, when the reserve is made: what another one could change now."""
        rows = (("accounts", owner.id), ("api_keys" if kind == "api_key" else "schedules", starter.id))
        for table, row_id in rows:
            with runtime.database.engine.connect() as other:
                try:
                    other.exec_driver_sql(f"SELECT 1 FROM {table} WHERE id = %s FOR NO KEY UPDATE NOWAIT", (row_id,))
                except OperationalError:
                    locked[table] = True

    monkeypatch.setattr("core.execution.commands.use_attachments", look)
    start_run(runtime, owner, pipeline, {}, starter=starter)
    assert len(locked) == 2, locked
