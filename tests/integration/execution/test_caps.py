"""Caps a month: runs of a key or a schedule never pass theirs together, on both databases, through a vendor's SDK."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core.accounts.api_keys import create_api_key, delete_api_key, list_api_keys
from core.accounts.automation import cap_micros, set_key_cap
from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.commands import set_credits
from core.execution.attempts import Attempts
from core.execution.caps import month_of, next_month, taken_this_month
from core.execution.changes import Attempt, StepKey
from core.execution.claims import claim
from core.execution.commands import cancel_run, fork_run, lift_budget, retry_run, start_run
from core.execution.domain import RunView, Starter
from core.execution.engine import Engine, run_to_end
from core.execution.models import RunRow
from core.execution.queries import get_run
from core.execution.run_masks import RunMasker
from core.execution.schedules import create_schedule, get_schedule, start_due_schedules, update_schedule
from core.pipelines.commands import create_pipeline
from core.platform.mail.models import MailRow
from core.platform.runtime import Runtime
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.vendor_stub import StubServer

START = datetime(2026, 3, 26, 12, tzinfo=UTC)
GOOD = "claude-sonnet-4-5"
ONE = {"id": "say", "model": GOOD, "prompt": "Say hello", "max_tokens": 50}
TWO = {"id": "more", "model": GOOD, "prompt": "{{steps.say.output}}", "max_tokens": 50}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer, clock: FixedClock
) -> Runtime:
    named = {"anthropic_api_key": "sk-ant-test", "anthropic_base_url": vendor.url}
    return runtime_with(clock=clock, **database_settings, **named)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")


@pytest.fixture
def pipeline(runtime: Runtime, person: Account) -> str:
    return create_pipeline(runtime, person, {"name": "One", "steps": [ONE]}).id


@pytest.fixture
def quoted(runtime: Runtime, person: Account, pipeline: str) -> int:
    """The quoted maximum of a run."""
    return start_run(runtime, person, pipeline, {}).quote.max_micros


def key(runtime: Runtime, person: Account, cap: int | None) -> Starter:
    made = create_api_key(runtime, person, "Test", ["pipelines:execute"], max_micros_per_month=cap)
    return Starter("api_key", made.view.id)


def reserved(runtime: Runtime, run: RunView) -> int | None:
    with runtime.database.read() as session:
        return session.get_one(RunRow, run.id).reserved_micros


@pytest.mark.parametrize("kind", ["api_key", "schedule"])
def test_twenty_starts_at_once_never_pass_a_small_cap(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, kind: str
) -> None:
    cap = 3 * quoted + quoted // 2
    starter = key(runtime, person, cap)
    if kind == "schedule":
        made = create_schedule(
            runtime, person, pipeline, name="x", cron_expression="0 9 * * *", max_micros_per_month=cap
        )
        starter = Starter("schedule", made.id)

    def start(_: int) -> str | None:
        try:
            return start_run(runtime, person, pipeline, {}, starter=starter).id
        except LimitExceeded as refusal:
            assert refusal.code == "CAP_REACHED"
            return None

    with ThreadPoolExecutor(20) as pool:
        made_runs = [run_id for run_id in pool.map(start, range(20)) if run_id]
    assert len(made_runs) == 3, "half a run does not begin"
    assert taken_this_month(runtime, person.id) == {starter.id: 3 * quoted}


async def test_what_was_spent_stays_and_the_rest_goes_back(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, engine: Engine
) -> None:
    starter = key(runtime, person, 2 * quoted)
    runs = [start_run(runtime, person, pipeline, {}, starter=starter) for _ in range(2)]
    assert [reserved(runtime, run) for run in runs] == [quoted, quoted]
    with pytest.raises(LimitExceeded, match=r"1 April 2026 \(UTC\); change the cap under API keys"):
        start_run(runtime, person, pipeline, {}, starter=starter)
    await run_to_end(engine, runs[0].id)
    spent = get_run(runtime, person.id, runs[0].id).credit_micros
    assert 0 < spent < quoted and reserved(runtime, runs[0]) == spent
    assert taken_this_month(runtime, person.id) == {starter.id: spent + quoted}
    cancel_run(runtime, person.id, runs[1].id)
    await run_to_end(engine, runs[1].id)
    assert taken_this_month(runtime, person.id) == {starter.id: spent}, "a run that spent nothing takes nothing"


async def test_twenty_runs_together_stay_below_the_cap(
    runtime: Runtime, person: Account, quoted: int, engine: Engine
) -> None:
    """As many as begin, each with whatever was left: the sum of what is charged is never above."""
    both = create_pipeline(runtime, person, {"name": "Two", "steps": [ONE, TWO]}).id
    cap = 5 * quoted + quoted // 3
    starter, runs = key(runtime, person, cap), []
    for _ in range(4):
        for _ in range(5):
            try:
                runs.append(start_run(runtime, person, both, {}, starter=starter))
            except LimitExceeded:
                break
        await asyncio.gather(*(run_to_end(engine, run.id) for run in runs))
    ended = [get_run(runtime, person.id, run.id) for run in runs]
    charged = sum(run.credit_micros for run in ended)
    assert len(ended) > 3 and 0 < charged <= cap
    assert taken_this_month(runtime, person.id)[starter.id] == charged


async def test_a_run_stops_where_its_part_of_the_cap_ends(
    runtime: Runtime, person: Account, quoted: int, engine: Engine
) -> None:
    both = create_pipeline(runtime, person, {"name": "Two", "steps": [ONE, TWO]}).id
    run = start_run(runtime, person, both, {}, starter=key(runtime, person, quoted))
    assert reserved(runtime, run) == quoted
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "failed" and after.error is not None and after.error["code"] == "CAP_REACHED"
    assert "raise the cap" in str(after.error["message"]) and after.error["step_id"] == "more"
    assert after.steps[0].status == "completed" and 0 < after.credit_micros <= quoted


async def test_a_budget_that_is_lifted_does_not_lift_the_cap(
    runtime: Runtime, person: Account, quoted: int, engine: Engine
) -> None:
    budget = {"max_credits": 0.001, "on_exceed": "pause"}
    tight = create_pipeline(runtime, person, {"name": "Tight", "steps": [ONE], "budget": budget}).id
    run = start_run(runtime, person, tight, {}, starter=key(runtime, person, 10 * quoted))
    await run_to_end(engine, run.id)
    lift_budget(runtime, person.id, run.id)
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.error is not None and after.error["code"] == "CAP_REACHED" and after.credit_micros == 0


def test_a_month_begins_anew_at_midnight_utc(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, clock: FixedClock
) -> None:
    starter = key(runtime, person, quoted)
    clock.moment = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    start_run(runtime, person, pipeline, {}, starter=starter)
    with pytest.raises(LimitExceeded, match="1 January 2027"):
        start_run(runtime, person, pipeline, {}, starter=starter)
    clock.advance(seconds=1)
    assert taken_this_month(runtime, person.id) == {}
    start_run(runtime, person, pipeline, {}, starter=starter)
    assert (month_of(clock.now()), next_month(clock.now()).month) == (clock.now(), 2)


def test_a_cap_counts_what_began_before_it_was_set(
    runtime: Runtime, person: Account, pipeline: str, quoted: int
) -> None:
    starter = key(runtime, person, None)
    run = start_run(runtime, person, pipeline, {}, starter=starter)
    assert reserved(runtime, run) is None
    assert taken_this_month(runtime, person.id) == {starter.id: quoted}
    set_key_cap(runtime, person.id, starter.id, quoted)
    with pytest.raises(LimitExceeded):
        start_run(runtime, person, pipeline, {}, starter=starter)
    set_key_cap(runtime, person.id, starter.id, None)
    start_run(runtime, person, pipeline, {}, starter=starter)


def test_retries_and_forks_by_a_key_count_and_free_runs_do_not(
    runtime: Runtime, person: Account, pipeline: str, quoted: int
) -> None:
    starter = key(runtime, person, 0)
    earlier = start_run(runtime, person, pipeline, {})
    with runtime.database.write() as session:
        session.get_one(RunRow, earlier.id).status = "failed"
    for act in (
        lambda: retry_run(runtime, person, earlier.id, starter=starter),
        lambda: fork_run(runtime, person, pipeline, earlier.id, starter=starter),
    ):
        with pytest.raises(LimitExceeded, match="0 cr a month"):
            act()
    demo = create_pipeline(runtime, person, {"name": "Free", "steps": [{**ONE, "model": "demo"}]}).id
    assert start_run(runtime, person, demo, {}, starter=starter).quote.max_micros == 0
    assert start_run(runtime, person, pipeline, {}).quote.max_micros == quoted, "a person's own runs have no cap"


def test_the_same_request_twice_takes_its_part_once(
    runtime: Runtime, person: Account, pipeline: str, quoted: int
) -> None:
    starter = key(runtime, person, quoted)
    runs = [start_run(runtime, person, pipeline, {}, starter=starter, idempotency_key="k") for _ in range(2)]
    assert runs[0].id == runs[1].id and taken_this_month(runtime, person.id) == {starter.id: quoted}


def test_a_deleted_key_starts_nothing(runtime: Runtime, person: Account, pipeline: str) -> None:
    starter = key(runtime, person, None)
    delete_api_key(runtime, person.id, starter.id)
    with pytest.raises(Forbidden):
        start_run(runtime, person, pipeline, {}, starter=starter)


def test_somebody_elses_key_cannot_be_capped(runtime: Runtime, person: Account) -> None:
    starter = key(runtime, person, 5)
    other = create_account(runtime, email="bo@example.org", password=PASSWORD)
    set_key_cap(runtime, other.id, starter.id, None)
    assert list_api_keys(runtime, person.id)[0].max_micros_per_month == 5
    for wrong in (-1, float("nan"), 2_000_000):
        with pytest.raises(InvalidInput):
            cap_micros(wrong)


def test_a_schedule_leaves_times_out_until_the_next_month(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, clock: FixedClock
) -> None:
    made = create_schedule(
        runtime, person, pipeline, name="Daily", cron_expression="0 9 * * *", max_micros_per_month=quoted
    )
    states = []
    for _ in range(8):  # from 27 March to 3 April
        due = get_schedule(runtime, person.id, made.id).next_at
        assert due is not None
        clock.moment = due + timedelta(seconds=2)
        start_due_schedules(runtime, clock.now())
        after = get_schedule(runtime, person.id, made.id)
        states.append(after.last_error_code)
        assert after.enabled and after.paused_code is None and after.last_at == due
    assert states == [None, *["CAP_REACHED"] * 4, None, *["CAP_REACHED"] * 2]
    with runtime.database.read() as session:
        assert Counter(session.scalars(select(MailRow.kind))) == {"schedule_capped": 2}, "once a month"
        assert len(session.scalars(select(RunRow).where(RunRow.started_by == made.id)).all()) == 2


def test_a_cap_is_changed_without_touching_when_it_is_due(
    runtime: Runtime, person: Account, pipeline: str, clock: FixedClock
) -> None:
    made = create_schedule(runtime, person, pipeline, name="Daily", cron_expression="0 9 * * *")
    clock.advance(days=2)
    capped = update_schedule(runtime, person, made.id, max_micros_per_month=7)
    assert (capped.max_micros_per_month, capped.next_at) == (7, made.next_at)
    assert update_schedule(runtime, person, made.id, name="Other").max_micros_per_month == 7
    assert update_schedule(runtime, person, made.id, max_micros_per_month=None).max_micros_per_month is None


def test_without_credits_a_schedule_is_paused(
    runtime: Runtime, person: Account, pipeline: str, quoted: int, clock: FixedClock
) -> None:
    made = create_schedule(runtime, person, pipeline, name="Daily", cron_expression="0 9 * * *")
    set_credits(runtime, person, micros=0)
    assert made.next_at is not None
    clock.moment = made.next_at
    start_due_schedules(runtime, clock.now())
    after = get_schedule(runtime, person.id, made.id)
    assert (after.enabled, after.paused_code) == (False, "INSUFFICIENT_CREDITS")


async def test_calls_of_a_process_that_died_still_count(runtime: Runtime, person: Account, quoted: int) -> None:
    """A run that is taken over knows what its calls under way hold before it takes them up again."""
    both = create_pipeline(runtime, person, {"name": "Two", "steps": [ONE, {**TWO, "prompt": "Hi"}]}).id
    run = start_run(runtime, person, both, {}, starter=key(runtime, person, 9 * quoted))
    taken = claim(runtime, run.id, "serve:dead")
    assert taken is not None
    taken.attempts[StepKey("", "say", 1)] = Attempt("row", 1, "running", quoted, None)
    assert Attempts(taken, RunMasker({})).held == quoted
