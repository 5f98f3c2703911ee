"""The schedule in a definition: a row that follows what is saved, and only that, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.definition_schedules import PUT_AWAY
from core.execution.domain import ScheduleView
from core.execution.models import RunRow, ScheduleRow
from core.execution.schedules import (
    create_schedule,
    delete_schedule,
    get_schedule,
    list_schedules,
    start_due_schedules,
    upcoming_runs,
    update_schedule,
)
from core.pipelines.commands import (
    archive_pipeline,
    create_pipeline,
    restore_version,
    save_draft,
    save_version,
    unarchive_pipeline,
    update_pipeline,
    validate_source,
)
from core.pipelines.queries import get_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock

START = datetime(2026, 3, 26, 12, tzinfo=UTC)


def text(cron: str | None = "0 9 * * *", *, zone: str = "Europe/Paris", enabled: str = "true") -> str:
    schedule = "" if cron is None else f'schedule: {{enabled: {enabled}, cron: "{cron}", timezone: {zone}}}\n'
    return (
        "name: Greeting\ninput: {schema: {name: {type: string, required: true, default: Ada}}}\n"
        f'steps:\n  - {{id: greet, type: transform, template: "Hello {{{{input.name}}}}"}}\n{schedule}'
    )


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


def only(runtime: Runtime, owner: Account) -> ScheduleView:
    (found,) = list_schedules(runtime, owner.id)
    return found


def test_saving_makes_it_and_it_starts_the_newest_version(runtime: Runtime, owner: Account, clock: FixedClock) -> None:
    pipeline = create_pipeline(runtime, owner, text())
    made = only(runtime, owner)
    assert made.from_definition and made.pipeline_id == pipeline.id and made.name == "Greeting"
    assert (made.cron_expression, made.timezone, made.missed, made.input_data) == (
        "0 9 * * *", "Europe/Paris", "skip", {},
    )  # fmt: skip
    assert made.next_at == datetime(2026, 3, 27, 8, tzinfo=UTC)
    assert [each.id for _, each in upcoming_runs(runtime, owner.id, limit=1)] == [made.id]
    clock.moment = made.next_at + timedelta(seconds=2)
    assert start_due_schedules(runtime, clock.now()) == 1
    with runtime.database.read() as session:
        (run,) = session.scalars(select(RunRow))
    assert (run.trigger_type, run.pipeline_version) == ("cron", 1)


def test_it_is_changed_switched_off_and_put_away_with_the_definition(
    runtime: Runtime, owner: Account, clock: FixedClock
) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    update_pipeline(runtime, owner, pipeline_id, source=text("0 6 * * *", zone="UTC"))
    changed = only(runtime, owner)
    assert (changed.cron_expression, changed.next_at) == ("0 6 * * *", datetime(2026, 3, 27, 6, tzinfo=UTC))
    update_pipeline(runtime, owner, pipeline_id, source=text(enabled="false"))
    off = only(runtime, owner)
    assert not off.enabled and off.next_at is None and off.paused_code is None
    update_pipeline(runtime, owner, pipeline_id, source=text(None))
    assert list_schedules(runtime, owner.id) == ()
    with pytest.raises(NotFound):
        get_schedule(runtime, owner.id, pipeline_id)
    clock.advance(days=3)
    assert start_due_schedules(runtime, clock.now()) == 0
    restore_version(runtime, owner, pipeline_id, 1)
    assert only(runtime, owner).next_at == datetime(2026, 3, 30, 7, tzinfo=UTC)
    update_pipeline(runtime, owner, pipeline_id, name="Good morning")
    assert only(runtime, owner).name == "Good morning"


def test_it_rests_while_its_pipeline_is_archived(runtime: Runtime, owner: Account, clock: FixedClock) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    update_schedule(runtime, owner, pipeline_id, missed="all")
    archive_pipeline(runtime, owner.id, pipeline_id)
    assert list_schedules(runtime, owner.id) == () and upcoming_runs(runtime, owner.id, limit=1) == ()
    clock.advance(days=3)
    assert start_due_schedules(runtime, clock.now()) == 0
    unarchive_pipeline(runtime, owner, pipeline_id)
    back = only(runtime, owner)
    assert back.enabled and back.missed == "all", "what the definition does not say was kept"
    assert back.next_at is not None and back.next_at > clock.now()


def test_neither_a_check_nor_a_draft_makes_one(runtime: Runtime, owner: Account) -> None:
    pipeline_id = create_pipeline(runtime, owner, text(None)).id
    assert validate_source(runtime, owner, text()).valid
    save_draft(runtime, owner.id, pipeline_id, text())
    assert list_schedules(runtime, owner.id) == ()
    save_version(runtime, owner, pipeline_id)
    assert only(runtime, owner).enabled


def test_a_version_that_is_not_saved_changes_nothing(runtime: Runtime, owner: Account) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    with pytest.raises(InvalidInput):
        update_pipeline(runtime, owner, pipeline_id, source=text("0 6 * * *"), name="x" * 201)
    assert only(runtime, owner).cron_expression == "0 9 * * *"
    assert get_pipeline(runtime, owner.id, pipeline_id).version == 1


def test_a_save_in_the_second_it_is_due_leaves_the_time_due(
    runtime: Runtime, owner: Account, clock: FixedClock
) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    due = only(runtime, owner).next_at
    assert due is not None
    clock.moment = due + timedelta(seconds=1)
    update_pipeline(runtime, owner, pipeline_id, source=text().replace("Hello", "Good morning"))
    assert start_due_schedules(runtime, clock.now()) == 1


def test_what_the_definition_says_is_changed_there_only(runtime: Runtime, owner: Account) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    changes: tuple[dict[str, Any], ...] = (
        {"name": "Other"}, {"cron_expression": "0 6 * * *"}, {"timezone": "UTC"}, {"input_data": {"name": "Bo"}},
        {"enabled": False},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(Conflict) as refused:
            update_schedule(runtime, owner, pipeline_id, **change)
        assert refused.value.code == "FROM_DEFINITION"
    with pytest.raises(Conflict):
        delete_schedule(runtime, owner.id, pipeline_id)
    assert update_schedule(runtime, owner, pipeline_id, missed="once").missed == "once"
    update_pipeline(runtime, owner, pipeline_id, source=text(enabled="false"))
    with pytest.raises(Conflict):
        update_schedule(runtime, owner, pipeline_id, enabled=True)
    assert not only(runtime, owner).enabled


def test_one_that_we_paused_is_resumed_by_hand_or_by_the_next_version(runtime: Runtime, owner: Account) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    for resume in (
        lambda: update_schedule(runtime, owner, pipeline_id, enabled=True),
        lambda: update_pipeline(runtime, owner, pipeline_id, source=text()),
    ):
        with runtime.database.write() as session:
            row = session.get_one(ScheduleRow, pipeline_id)
            row.enabled, row.next_at, row.paused_code = False, None, "MISSING_SECRET"
        resume()
        resumed = only(runtime, owner)
        assert resumed.enabled and resumed.next_at is not None and resumed.paused_code is None


def test_a_pipeline_has_one_beside_those_made_by_hand(runtime: Runtime, owner: Account) -> None:
    pipeline_id = create_pipeline(runtime, owner, text()).id
    create_schedule(runtime, owner, pipeline_id, name="By hand", cron_expression="0 1 * * *")
    update_pipeline(runtime, owner, pipeline_id, source=text("0 2 * * *"))
    both = list_schedules(runtime, owner.id, pipeline_id)
    assert sorted((each.from_definition, each.cron_expression) for each in both) == [
        (False, "0 1 * * *"),
        (True, "0 2 * * *"),
    ]


def test_a_smaller_plan_brings_it_back_paused(runtime: Runtime, owner: Account) -> None:
    paid = create_account(runtime, email="bo@example.org", password=PASSWORD, plan="starter")
    pipeline_id = create_pipeline(runtime, paid, text()).id
    archive_pipeline(runtime, paid.id, pipeline_id)
    unarchive_pipeline(runtime, replace(paid, plan="free"), pipeline_id)
    back = only(runtime, paid)
    assert (back.enabled, back.paused_code, back.next_at) == (False, "PLAN_LIMIT", None)
    assert back.paused_code != PUT_AWAY


def test_the_free_plan_is_told_at_the_schedule(runtime: Runtime) -> None:
    free = create_account(runtime, email="free@example.org", password=PASSWORD, plan="free")
    (problem,) = validate_source(runtime, free, text()).errors
    assert (problem.code, problem.path, problem.line) == ("PLAN_LIMIT", "schedule", 5)
    with pytest.raises(InvalidInput):
        create_pipeline(runtime, free, text())
    assert validate_source(runtime, free, text(enabled="false")).valid
    assert list_schedules(runtime, free.id) == ()


def test_the_export_carries_it(runtime: Runtime, owner: Account) -> None:
    saved = get_pipeline(runtime, owner.id, create_pipeline(runtime, owner, text()).id)
    assert 'schedule: {enabled: true, cron: "0 9 * * *", timezone: Europe/Paris}' in saved.text
    assert saved.definition["schedule"] == {"enabled": True, "cron": "0 9 * * *", "timezone": "Europe/Paris"}
