"""What a capped API key may do with schedules and budgets: nothing that spends more than itself, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core.accounts.api_keys import create_api_key, delete_api_key
from core.accounts.automation import set_key_cap
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.caps import taken_this_month
from core.execution.commands import lift_budget, start_run
from core.execution.domain import RunView, ScheduleView, Starter
from core.execution.models import RunRow
from core.execution.schedules import (
    create_schedule,
    delete_schedule,
    get_schedule,
    list_schedules,
    start_due_schedules,
    update_schedule,
)
from core.pipelines.commands import archive_pipeline, create_pipeline, unarchive_pipeline, update_pipeline
from core.pipelines.queries import get_pipeline, list_pipelines
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, Forbidden, LimitExceeded
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.together import together

START = datetime(2026, 3, 26, 12, tzinfo=UTC)
SAY: dict[str, Any] = {
    "name": "Say",
    "version": 1,
    "steps": [{"id": "say", "model": "claude-sonnet-4-5", "prompt": "Say hello", "max_tokens": 50}],
}


def timed(cron: str = "0 * * * *", *, enabled: bool = True) -> dict[str, Any]:
    return SAY | {"schedule": {"enabled": enabled, "cron": cron, "timezone": "UTC"}}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    vendor = {"anthropic_api_key": "sk-ant-test", "anthropic_base_url": "http://127.0.0.1:9"}
    return runtime_with(clock=clock, **database_settings, **vendor)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, plan="pro")


@pytest.fixture
def pipeline(runtime: Runtime, person: Account) -> str:
    return create_pipeline(runtime, person, SAY).id


@pytest.fixture
def quoted(runtime: Runtime, person: Account, pipeline: str) -> int:
    """The quoted maximum of a run."""
    return start_run(runtime, person, pipeline, {}).quote.max_micros


@pytest.fixture
def make(runtime: Runtime, person: Account, pipeline: str) -> Callable[..., ScheduleView]:
    def schedule(key: str | None = None, **more: Any) -> ScheduleView:
        given = {"name": "Hourly", "cron_expression": "0 * * * *", **more}
        return create_schedule(runtime, person, pipeline, key_id=key, **given)

    return schedule


def key_of(runtime: Runtime, person: Account, cap: int | None) -> str:
    scopes = ["pipelines:write", "pipelines:execute"]
    return create_api_key(runtime, person, "Test", scopes, max_micros_per_month=cap).view.id


def beyond(act: Callable[[], Any]) -> None:
    with pytest.raises(Forbidden) as refusal:
        act()
    assert refusal.value.code == "KEY_CAP" and "Nothing was changed" in refusal.value.message


def test_what_a_capped_key_makes_has_its_cap_or_a_lower_one(
    runtime: Runtime, person: Account, make: Callable[..., ScheduleView]
) -> None:
    key = key_of(runtime, person, 7)
    assert make(key).max_micros_per_month == 7
    lower = make(key, max_micros_per_month=3)
    assert lower.max_micros_per_month == 3
    beyond(lambda: make(key, max_micros_per_month=8))
    for wrong in (None, 8):
        beyond(lambda wrong=wrong: update_schedule(runtime, person, lower.id, max_micros_per_month=wrong, key_id=key))  # type: ignore[misc]
    assert update_schedule(runtime, person, lower.id, max_micros_per_month=7, key_id=key).max_micros_per_month == 7
    assert make(key_of(runtime, person, None)).max_micros_per_month is None
    assert len(list_schedules(runtime, person.id)) == 3


@pytest.mark.parametrize("cap", [None, 8])
def test_a_capped_key_changes_none_that_may_spend_more_but_may_stop_it(
    runtime: Runtime, person: Account, make: Callable[..., ScheduleView], cap: int | None
) -> None:
    made, key = make(max_micros_per_month=cap), key_of(runtime, person, 7)
    changes: tuple[dict[str, Any], ...] = (
        {"name": "Mine"}, {"cron_expression": "* * * * *"}, {"timezone": "Europe/Paris"}, {"input_data": {}},
        {"enabled": True}, {"missed": "all"}, {"max_micros_per_month": 7}, {"enabled": False, "missed": "all"},
    )  # fmt: skip
    for change in changes:
        beyond(lambda change=change: update_schedule(runtime, person, made.id, key_id=key, **change))  # type: ignore[misc]
    assert get_schedule(runtime, person.id, made.id) == made
    assert not update_schedule(runtime, person, made.id, enabled=False, key_id=key).enabled
    beyond(lambda: update_schedule(runtime, person, made.id, enabled=True, key_id=key))


def test_the_schedules_of_a_key_count_for_the_key(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, make: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    """Not many of them, nor one made anew each time, nor the key beside them, spend more than its cap."""
    key = key_of(runtime, person, 2 * quoted)
    first, second = make(key), make(key)
    clock.moment = datetime(2026, 3, 26, 13, tzinfo=UTC)
    assert start_due_schedules(runtime, clock.now()) == 2
    assert taken_this_month(runtime, person.id) == {first.id: quoted, second.id: quoted, key: 2 * quoted}
    with pytest.raises(LimitExceeded, match="This API key may spend"):
        start_run(runtime, person, pipeline, {}, starter=Starter("api_key", key))
    delete_schedule(runtime, person.id, first.id)
    assert taken_this_month(runtime, person.id) == {second.id: quoted, key: 2 * quoted}
    again = make(key)
    clock.moment = datetime(2026, 3, 26, 14, tzinfo=UTC)
    start_due_schedules(runtime, clock.now())
    assert get_schedule(runtime, person.id, again.id).last_error_code == "CAP_REACHED"
    assert taken_this_month(runtime, person.id)[key] == 2 * quoted
    set_key_cap(runtime, person.id, key, 9 * quoted)
    clock.moment = datetime(2026, 3, 26, 15, tzinfo=UTC)
    start_due_schedules(runtime, clock.now())
    assert get_schedule(runtime, person.id, again.id).last_error_code is None


def test_a_schedule_that_a_person_caps_is_theirs_and_one_whose_key_is_gone_keeps_its_own_cap(
    runtime: Runtime, person: Account, quoted: int, make: Callable[..., ScheduleView], clock: FixedClock
) -> None:
    key = key_of(runtime, person, quoted)
    theirs, orphan = make(key), make(key)
    update_schedule(runtime, person, theirs.id, max_micros_per_month=None)
    delete_api_key(runtime, person.id, key)
    for hour in (13, 14):
        clock.moment = datetime(2026, 3, 26, hour, tzinfo=UTC)
        start_due_schedules(runtime, clock.now())
    assert get_schedule(runtime, person.id, theirs.id).last_error_code is None
    assert get_schedule(runtime, person.id, orphan.id).last_error_code == "CAP_REACHED"
    taken = taken_this_month(runtime, person.id)
    assert (taken[theirs.id], taken[orphan.id]) == (2 * quoted, quoted)


def test_the_schedule_in_a_definition_that_a_capped_key_saves_has_its_cap(
    runtime: Runtime, person: Account, quoted: int, clock: FixedClock
) -> None:
    key = key_of(runtime, person, quoted)
    made = [create_pipeline(runtime, person, timed(), key_id=key).id for _ in range(2)]
    assert {each.max_micros_per_month for each in list_schedules(runtime, person.id)} == {quoted}
    clock.moment = datetime(2026, 3, 26, 13, tzinfo=UTC)
    start_due_schedules(runtime, clock.now())
    assert taken_this_month(runtime, person.id)[key] == quoted, "both together"
    update_pipeline(runtime, person, made[0], source=timed("30 * * * *"), key_id=key)
    assert get_schedule(runtime, person.id, made[0]).cron_expression == "30 * * * *"


def test_a_capped_key_saves_no_version_whose_schedule_may_spend_more(
    runtime: Runtime, person: Account, pipeline: str
) -> None:
    key = key_of(runtime, person, 0)
    update_pipeline(runtime, person, pipeline, source=timed())
    beyond(lambda: update_pipeline(runtime, person, pipeline, source=timed("* * * * *"), key_id=key))
    assert get_pipeline(runtime, person.id, pipeline).version == 2
    assert get_schedule(runtime, person.id, pipeline).cron_expression == "0 * * * *"
    update_pipeline(runtime, person, pipeline, source=timed() | {"name": "Other words"}, key_id=key)
    update_pipeline(runtime, person, pipeline, source=timed(enabled=False), key_id=key)
    beyond(lambda: update_pipeline(runtime, person, pipeline, source=timed(), key_id=key))
    update_pipeline(runtime, person, pipeline, source=SAY, key_id=key)
    beyond(lambda: update_pipeline(runtime, person, pipeline, source=timed(), key_id=key))
    assert list_schedules(runtime, person.id) == ()


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_capped_key_wakes_no_schedule_that_may_spend_more(
    runtime: Runtime, person: Account, pipeline: str, make: Callable[..., ScheduleView], by_hand: bool
) -> None:
    key = key_of(runtime, person, 0)
    if by_hand:
        make()
    else:
        update_pipeline(runtime, person, pipeline, source=timed())
    archive_pipeline(runtime, person.id, pipeline)
    beyond(lambda: unarchive_pipeline(runtime, person, pipeline, key_id=key))
    assert list_pipelines(runtime, person.id, archived=True).items
    unarchive_pipeline(runtime, person, pipeline)
    assert unarchive_pipeline(runtime, person, pipeline, key_id=key).status == "active", "it is back already"


def paused(runtime: Runtime, person: Account, pipeline: str, starter: Starter | None) -> RunView:
    run = start_run(runtime, person, pipeline, {}, starter=starter)
    with runtime.database.write() as session:
        row = session.get_one(RunRow, run.id)
        row.status, row.error_code = "waiting", "BUDGET_PAUSED"
    return run


def test_a_capped_key_lifts_the_budget_of_its_own_runs_only(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, make: Callable[..., ScheduleView]
) -> None:
    key, free = key_of(runtime, person, 9 * quoted), key_of(runtime, person, None)
    for starter in (None, Starter("api_key", free), Starter("schedule", make().id)):
        run = paused(runtime, person, pipeline, starter)
        beyond(lambda run=run: lift_budget(runtime, person.id, run.id, key_id=key))  # type: ignore[misc]
        with pytest.raises(Conflict):  # it is paused still, and a person may
            lift_budget(runtime, person.id, run.id)
            lift_budget(runtime, person.id, run.id)
    own = paused(runtime, person, pipeline, Starter("api_key", key))
    lift_budget(runtime, person.id, own.id, key_id=key)
    lift_budget(runtime, person.id, paused(runtime, person, pipeline, None).id, key_id=free)


def test_many_at_once_by_one_key_wait_for_each_other(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, make: Callable[..., ScheduleView]
) -> None:
    """Runs, schedules and versions lock the person, the schedule and the key in one order: nobody is cut off."""
    key = key_of(runtime, person, 90 * quoted)
    made = make(key)
    for _ in range(6):
        answers = together(
            lambda: start_run(runtime, person, pipeline, {}, starter=Starter("api_key", key)),
            lambda: start_run(runtime, person, pipeline, {}, starter=Starter("schedule", made.id)),
            lambda: start_run(runtime, person, pipeline, {}),
            lambda: make(key),
            lambda: update_schedule(runtime, person, made.id, name="Other", key_id=key),
            lambda: update_pipeline(runtime, person, pipeline, source=timed(), key_id=key),
            lambda: create_pipeline(runtime, person, timed(), key_id=key),
            lambda: create_api_key(runtime, person, "More", ["pipelines:read"]),
            lambda: set_key_cap(runtime, person.id, key, 90 * quoted),
        )
        assert [each for each in answers if isinstance(each, Exception)] == []
