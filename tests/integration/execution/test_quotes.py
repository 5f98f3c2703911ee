"""Quotes: likely from what a pipeline used, kept with the run beside what it was charged, and cheap."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.commands import set_credits
from core.execution.cli_run import quoted
from core.execution.commands import start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.models import RunRow
from core.execution.notebook import quote_pipeline
from core.execution.queries import get_run
from core.execution.schedules import create_schedule, start_due_schedules
from core.execution.usage import forecast_month, times_in
from core.execution.usual import usual_tokens
from core.pipelines.commands import create_pipeline
from core.pipelines.definition import read_definition, to_dict
from core.platform.runtime import Runtime
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.vendor_stub import StubServer

MODEL = "claude-haiku-4-5"
FIRST = {"id": "say", "model": MODEL, "prompt": "Say hello to everyone here. " * 30, "max_tokens": 2_000}
SECOND = {"id": "more", "model": MODEL, "prompt": "{{steps.say.output}}", "max_tokens": 2_000}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2027, 3, 10, 12, tzinfo=UTC))


@pytest.fixture
def runtime(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer, clock: FixedClock
) -> Runtime:
    named = {"anthropic_api_key": "sk-ant-test", "anthropic_base_url": vendor.url}
    return runtime_with(clock=clock, **database_settings, **named)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    made = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")
    set_credits(runtime, made, micros=1000 * MICROS)
    return made


@pytest.fixture
def pipeline(runtime: Runtime, person: Account) -> str:
    return create_pipeline(runtime, person, {"name": "Two", "version": 1, "steps": [FIRST, SECOND]}).id


async def finish(runtime: Runtime, person: Account, run_id: str) -> RunView:
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run_id)
    engine.close()
    await runtime.providers.aclose()
    return get_run(runtime, person.id, run_id)


async def test_likely_comes_from_what_the_pipeline_used_and_the_most_stays(
    runtime: Runtime, person: Account, pipeline: str
) -> None:
    before = quote_pipeline(runtime, person, pipeline, {})
    run = await finish(runtime, person, start_run(runtime, person, pipeline, {}).id)
    assert run.quote == before and run.status == "completed"
    after = quote_pipeline(runtime, person, pipeline, {})
    assert (after.low_micros, after.max_micros) == (before.low_micros, before.max_micros)
    for step in run.steps:
        low, likely, most = after.steps[step.step_id]
        assert low <= likely <= most
        # By the constant it was three hundred tokens that each would write.
        assert abs(likely - step.credit_micros) < abs(before.steps[step.step_id][1] - step.credit_micros) / 4
    assert run.credit_micros <= run.quote.max_micros


async def test_a_run_keeps_the_quote_of_each_step(runtime: Runtime, person: Account, pipeline: str) -> None:
    run = await finish(runtime, person, start_run(runtime, person, pipeline, {}).id)
    assert run.quote.steps.keys() == {"say", "more"}
    assert sum(most for _, _, most in run.quote.steps.values()) == run.quote.max_micros
    for step in run.steps:
        assert step.credit_micros <= run.quote.steps[step.step_id][2]


def test_the_command_line_quotes_in_cents_because_the_operator_pays_no_credits(runtime: Runtime) -> None:
    definition = read_definition({"name": "One", "version": 1, "steps": [FIRST]})
    # 2,000 tokens written at 5 dollars a million are a cent; with the prompt, times 1.25, rather more.
    said = quoted(runtime, definition, {})
    assert said.startswith("Quoted: 0 cr (own keys); cost 0.0") and "US cents, likely 0." in said
    most = float(said.partition(" to ")[2].partition(" ")[0])
    assert 1.25 < most < 1.6
    free = read_definition({**to_dict(definition), "steps": [{**FIRST, "model": "demo"}]})  # type: ignore[dict-item]
    assert quoted(runtime, free, {}) == "Quoted: 0 cr, at no cost."


async def test_schedules_count_in_the_next_30_days_by_their_times(
    runtime: Runtime, person: Account, pipeline: str, clock: FixedClock
) -> None:
    by_hand = await finish(runtime, person, start_run(runtime, person, pipeline, {}).id)
    assert forecast_month(runtime, person).micros == 30 * by_hand.credit_micros, "one a day, as far as it is known"
    schedule = create_schedule(runtime, person, pipeline, name="Daily", cron_expression="0 6 * * *")
    clock.advance(hours=18)
    assert start_due_schedules(runtime, clock.now()) == 1
    with runtime.database.read() as session:
        run_id = session.scalars(select(RunRow.id).where(RunRow.started_by == schedule.id)).one()
    scheduled = await finish(runtime, person, run_id)
    assert scheduled.credit_micros > 0
    found = forecast_month(runtime, person)
    assert found.scheduled_micros == 30 * scheduled.credit_micros
    assert found.micros == found.scheduled_micros + by_hand.credit_micros * 30 // 2, "by hand once in two days"


@pytest.mark.parametrize(
    ("cron", "times"), [("0 6 * * *", 30), ("*/5 * * * *", 8640), ("* * * * *", 43_200), ("0 0 29 2 *", 0)]
)
def test_the_times_of_a_month_are_counted_or_reckoned(cron: str, times: int) -> None:
    now = datetime(2027, 3, 10, 12, tzinfo=UTC)
    assert times_in(cron, "UTC", now, now + timedelta(days=30)) == pytest.approx(times, rel=0.002)


def test_a_step_that_never_ran_here_has_nothing_usual(runtime: Runtime, person: Account, pipeline: str) -> None:
    asyncio.run(finish(runtime, person, start_run(runtime, person, pipeline, {}).id))
    usual = usual_tokens(runtime, person.id, pipeline, ["say", "more", "never"])
    assert usual.keys() == {"say", "more"} and usual["say"].output_tokens > 0
    assert usual_tokens(runtime, "eve", pipeline, ["say"]) == {}
