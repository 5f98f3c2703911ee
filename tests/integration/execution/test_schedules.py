"""Schedules on both databases: every time once, whoever looks and whatever the clock does."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution import schedules
from core.execution.domain import ScheduleView
from core.execution.models import RunRow, ScheduleRow
from core.execution.queries import get_run
from core.execution.schedules import (
    _start_due,
    create_schedule,
    delete_schedule,
    get_schedule,
    has_due_schedules,
    list_schedules,
    start_due_schedules,
    upcoming_runs,
    update_schedule,
)
from core.pipelines.commands import archive_pipeline, create_pipeline, unarchive_pipeline, update_pipeline
from core.pipelines.cron import next_times
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded, NotFound
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.together import together

GREETING: dict[str, Any] = {
    "name": "Greeting",
    "version": 1,
    "input": {"schema": {"name": {"type": "string", "required": True}}},
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}
START = datetime(2026, 3, 26, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


@pytest.fixture
def pipeline(runtime: Runtime, owner: Account) -> str:
    return create_pipeline(runtime, owner, GREETING).id


@pytest.fixture
def schedule(runtime: Runtime, owner: Account, pipeline: str) -> Callable[..., ScheduleView]:
    def make(cron: str = "0 9 * * *", **more: Any) -> ScheduleView:
        given = {"name": "Daily", "timezone": "Europe/Paris", "input_data": {"name": "Ada"}, **more}
        return create_schedule(runtime, owner, pipeline, cron_expression=cron, **given)

    return make


def started(runtime: Runtime, owner: Account) -> int:
    with runtime.database.read() as session:
        mine = select(RunRow.id).where(RunRow.owner_id == owner.id, RunRow.trigger_type == "cron")
        return len(session.scalars(mine).all())


@pytest.mark.slow_on_postgres
@pytest.mark.parametrize("start", [START, datetime(2026, 10, 22, 12, tzinfo=UTC)], ids=["spring", "autumn"])
def test_two_schedulers_fire_every_time_of_a_week_once(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], clock: FixedClock, start: datetime
) -> None:
    clock.moment = start
    made = [schedule(cron, name=cron) for cron in ("0 9 * * *", "30 2 * * *", "15 */6 * * *")]
    fired: set[tuple[str, datetime]] = set()
    with ThreadPoolExecutor(2) as pool:
        for _ in range(7 * 24 * 4):
            clock.advance(minutes=15)
            list(pool.map(lambda _: start_due_schedules(runtime, clock.now()), range(2)))
            fired |= {(each.id, each.last_at) for each in list_schedules(runtime, owner.id) if each.last_at}
    expected = {
        (each.id, time)
        for each in made
        for time in next_times(each.cron_expression, each.timezone, start, 60)
        if time <= clock.now()
    }
    assert fired == expected and len(expected) > 40
    assert started(runtime, owner) == len(expected), "none twice"


def test_a_run_is_started_with_the_saved_inputs(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    made = schedule()
    assert made.next_at == datetime(2026, 3, 27, 8, tzinfo=UTC)
    assert start_due_schedules(runtime, clock.now()) == 0
    clock.moment = made.next_at + timedelta(seconds=3)
    assert start_due_schedules(runtime, clock.now()) == 1
    after = get_schedule(runtime, owner.id, made.id)
    assert after.last_at == made.next_at and after.next_at == datetime(2026, 3, 28, 8, tzinfo=UTC)
    assert after.last_run_id is not None
    run = get_run(runtime, owner.id, after.last_run_id)
    assert (run.trigger_type, run.input_data) == ("cron", {"name": "Ada"})


def test_a_crash_between_the_start_and_the_next_time_starts_nothing_twice(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    made = schedule()
    assert made.next_at is not None
    clock.moment = made.next_at
    start_due_schedules(runtime, clock.now())
    with runtime.database.write() as session:  # as if the process had died before the schedule moved on
        session.get_one(ScheduleRow, made.id).next_at = made.next_at
    start_due_schedules(runtime, clock.now())
    assert started(runtime, owner) == 1


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("once", 1), ("all", 3)])
def test_what_was_missed_is_made_up_for_as_asked(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], clock: FixedClock, missed: str, runs: int
) -> None:
    schedule(missed=missed)
    clock.moment = datetime(2026, 3, 29, 12, tzinfo=UTC)  # three mornings later
    start_due_schedules(runtime, clock.now())
    start_due_schedules(runtime, clock.now())
    assert started(runtime, owner) == runs


def test_a_schedule_that_cannot_start_is_paused_and_its_owner_told(
    runtime: Runtime, owner: Account, pipeline: str, schedule: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    made = schedule(missed="once")
    more = {"schema": {**GREETING["input"]["schema"], "age": {"type": "integer", "required": True}}}
    update_pipeline(runtime, owner, pipeline, source=GREETING | {"input": more})
    clock.advance(days=1)
    start_due_schedules(runtime, clock.now())
    start_due_schedules(runtime, clock.now())
    after = get_schedule(runtime, owner.id, made.id)
    assert not after.enabled and after.next_at is None and after.paused_code == "INVALID_INPUT"
    with runtime.database.read() as session:
        assert Counter(session.scalars(select(MailRow.kind))) == {"schedule_paused": 1}


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("once", 1), ("all", 3)])
def test_a_schedule_rests_with_its_archived_pipeline_and_goes_on_when_that_is_back(
    runtime: Runtime,
    owner: Account,
    pipeline: str,
    schedule: Callable[..., ScheduleView],
    clock: FixedClock,
    missed: str,
    runs: int,
) -> None:
    made = schedule(missed=missed)
    archive_pipeline(runtime, owner.id, pipeline)
    clock.moment = datetime(2026, 3, 29, 12, tzinfo=UTC)  # three mornings later
    assert not has_due_schedules(runtime, clock.now()) and upcoming_runs(runtime, owner.id, limit=3) == ()
    assert start_due_schedules(runtime, clock.now()) == 0
    rests = get_schedule(runtime, owner.id, made.id)
    assert rests.pipeline_archived and rests.paused_code is None and rests.next_at == made.next_at
    with runtime.database.read() as session:
        assert session.scalars(select(MailRow.kind)).all() == []
    unarchive_pipeline(runtime, owner, pipeline)
    back = get_schedule(runtime, owner.id, made.id)
    assert back.enabled and not back.pipeline_archived
    start_due_schedules(runtime, clock.now())
    assert started(runtime, owner) == runs


def test_a_pipeline_that_is_archived_while_a_time_is_started_pauses_nothing(
    runtime: Runtime, owner: Account, pipeline: str, schedule: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    made = schedule()
    assert made.next_at is not None
    clock.moment = made.next_at
    with runtime.database.read() as session:
        row = session.get_one(ScheduleRow, made.id)
    archive_pipeline(runtime, owner.id, pipeline)
    assert _start_due(runtime, row, clock.now()) == 0
    after = get_schedule(runtime, owner.id, made.id)
    assert after.enabled and after.next_at == made.next_at and after.paused_code is None


def test_a_new_name_leaves_the_times_that_are_due(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    made = schedule(missed="all")
    clock.moment = datetime(2026, 3, 29, 12, tzinfo=UTC)
    same: dict[str, Any] = {"cron_expression": made.cron_expression, "timezone": made.timezone, "enabled": True}
    changes: tuple[dict[str, Any], ...] = ({"name": "Renamed"}, {"input_data": {"name": "Bo"}}, same)
    for change in changes:
        assert update_schedule(runtime, owner, made.id, **change).next_at == made.next_at, change
    assert start_due_schedules(runtime, clock.now()) == 3


def test_a_new_name_leaves_a_schedule_that_we_paused_paused(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView]
) -> None:
    made = schedule()
    with runtime.database.write() as session:
        row = session.get_one(ScheduleRow, made.id)
        row.enabled, row.next_at, row.paused_code = False, None, "MISSING_SECRET"
    renamed = update_schedule(runtime, owner, made.id, name="Renamed")
    assert (renamed.name, renamed.enabled, renamed.paused_code) == ("Renamed", False, "MISSING_SECRET")


def test_a_rename_never_switches_on_what_is_being_switched_off(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView]
) -> None:
    made = schedule()
    for number in range(10):
        update_schedule(runtime, owner, made.id, enabled=True)
        together(
            lambda: update_schedule(runtime, owner, made.id, enabled=False),
            lambda number=number: update_schedule(runtime, owner, made.id, name=f"N{number}"),  # type: ignore[misc]
        )
        after = get_schedule(runtime, owner.id, made.id)
        assert (after.name, after.enabled, after.next_at) == (f"N{number}", False, None)


def test_the_number_of_schedules_is_not_passed_by_many_at_once(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "SCHEDULES_A_PERSON", 3)
    made = together(*[lambda: schedule()] * 6)
    assert sum(isinstance(each, ScheduleView) for each in made) == len(list_schedules(runtime, owner.id)) == 3
    assert sum(isinstance(each, LimitExceeded) for each in made) == 3


def test_a_schedule_whose_pipeline_is_gone_can_be_let_rest(
    runtime: Runtime, owner: Account, pipeline: str, schedule: Callable[..., ScheduleView]
) -> None:
    made = schedule()
    archive_pipeline(runtime, owner.id, pipeline)
    assert not update_schedule(runtime, owner, made.id, enabled=False).enabled
    with pytest.raises(NotFound):
        update_schedule(runtime, owner, made.id, enabled=True)


def test_the_free_plan_has_no_schedules(runtime: Runtime) -> None:
    free = create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")
    pipeline = create_pipeline(runtime, free, GREETING).id
    with pytest.raises(Forbidden):
        create_schedule(runtime, free, pipeline, name="x", cron_expression="0 9 * * *", input_data={"name": "Ada"})


def test_what_is_wrong_is_refused_and_nothing_is_kept(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView]
) -> None:
    for wrong in ({"input_data": {}}, {"name": " "}, {"timezone": "Nowhere"}, {"cron": "0 9"}):
        with pytest.raises(InvalidInput):
            schedule(**wrong)
    assert list_schedules(runtime, owner.id) == ()


def test_schedules_are_changed_rested_and_deleted(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    made = schedule()
    changed = update_schedule(runtime, owner, made.id, cron_expression="0 6 * * *", timezone="UTC", name="Early")
    assert (changed.name, changed.next_at) == ("Early", datetime(2026, 3, 27, 6, tzinfo=UTC))
    assert changed.input_data == {"name": "Ada"}
    assert [time.hour for time, _ in upcoming_runs(runtime, owner.id, limit=2)] == [6, 6]
    rested = update_schedule(runtime, owner, made.id, enabled=False)
    assert rested.next_at is None and upcoming_runs(runtime, owner.id, limit=2) == ()
    clock.advance(days=3)
    assert start_due_schedules(runtime, clock.now()) == 0
    again = update_schedule(runtime, owner, made.id, enabled=True)
    assert again.next_at is not None and again.next_at > clock.now()
    delete_schedule(runtime, owner.id, made.id)
    assert list_schedules(runtime, owner.id) == ()


def test_somebody_elses_schedule_does_not_exist(
    runtime: Runtime, owner: Account, schedule: Callable[..., ScheduleView]
) -> None:
    made = schedule()
    other = create_account(runtime, email="bo@example.org", password=PASSWORD)
    acts: tuple[Callable[[], Any], ...] = (
        lambda: get_schedule(runtime, other.id, made.id),
        lambda: update_schedule(runtime, other, made.id, enabled=False),
        lambda: delete_schedule(runtime, other.id, made.id),
    )
    for act in acts:
        with pytest.raises(NotFound):
            act()
    assert get_schedule(runtime, owner.id, made.id).enabled
