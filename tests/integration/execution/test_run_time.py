"""`timeout_seconds` of a whole run: what counts, what is cut, what is kept and charged."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.queries import balance, verify_ledger
from core.execution import claims, journal
from core.execution.changes import StepEnded, StepKey, StepStarted
from core.execution.commands import cancel_run, lift_budget, start_run
from core.execution.delivery_queries import deliveries_of_run
from core.execution.domain import RunView, StepRunView
from core.execution.engine import Engine, run_to_end
from core.execution.leases import wake_time
from core.execution.models import RunRow
from core.execution.queries import get_run
from core.execution.review_queries import reviews_of_run
from core.execution.reviews import decide_review
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.types import JsonValue
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.vendor_stub import StubServer

MODEL = "claude-sonnet-4-5"
LIMIT = 30
LATE = {"on_failure": [{"type": "email", "to": "ada@example.org", "subject": "Late after {{steps.a.output}}"}]}


@pytest.fixture
def settings(database_settings: dict[str, str], vendor: StubServer) -> dict[str, str]:
    return {**database_settings, "anthropic_api_key": "sk-ant-test", "anthropic_base_url": vendor.url}


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], settings: dict[str, str]) -> Runtime:
    return runtime_with(**settings)


@pytest.fixture
def still(runtime_with: Callable[..., Runtime], settings: dict[str, str], clock: FixedClock) -> Runtime:
    """A runtime whose clock the test moves."""
    return runtime_with(clock=clock, **settings)


async def engine_of(runtime: Runtime) -> AsyncIterator[Engine]:
    made = Engine(runtime, "serve:test")
    await runtime.providers.warm()  # importing a vendor's SDK takes longer than these runs may
    yield made
    made.close()
    await runtime.providers.aclose()


@pytest.fixture
async def engine(runtime: Runtime) -> AsyncIterator[Engine]:
    async for made in engine_of(runtime):
        yield made


@pytest.fixture
async def still_engine(still: Runtime) -> AsyncIterator[Engine]:
    async for made in engine_of(still):
        yield made


def person_of(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")


def begin(
    runtime: Runtime, person: Account, steps: list[dict[str, Any]], *, left: float = LIMIT, **top: Any
) -> RunView:
    """A run of which only so many seconds are left, as if it had worked before."""
    source = {"name": "Timed", "version": 1, "timeout_seconds": LIMIT, **top, "steps": steps}
    run = start_run(runtime, person, create_pipeline(runtime, person, source).id, {})
    with runtime.database.write() as session:
        mine = update(RunRow).where(RunRow.id == run.id)
        session.execute(mine.values(worked_ms=int((LIMIT - left) * 1000)))
    return run


def worked(runtime: Runtime, run: RunView) -> tuple[Any, int]:
    with runtime.database.read() as session:
        row = session.scalars(select(RunRow).where(RunRow.id == run.id)).one()
    return row.working_since, row.worked_ms


def told(template: str) -> dict[str, Any]:
    return {"id": "a", "type": "transform", "template": template}


def call(scenario: str, **more: Any) -> dict[str, Any]:
    return {"id": "say", "model": f"{MODEL}-{scenario}", "prompt": "one two " * 40, "max_tokens": 200, **more}


def code_of(step: StepRunView) -> JsonValue:
    return step.error["code"] if step.error else None


def assert_too_late(runtime: Runtime, person: Account, run: RunView) -> RunView:
    after = get_run(runtime, person.id, run.id)
    assert after.status == "failed", after.error
    assert after.error == {
        "code": "RUN_TIMEOUT",
        "message": f"The run took longer than {LIMIT} s (timeout_seconds of the pipeline). "
        "What was finished is kept: raise the limit and run from the failed step.",
        "step_id": None,
    }
    assert {step.status for step in after.steps} <= {"completed", "failed", "skipped"}, "every step is closed"
    assert balance(runtime, person).held_micros == 0
    assert verify_ledger(runtime).problems == ()
    return after


async def test_a_call_is_cut_and_what_it_used_is_charged(runtime: Runtime, engine: Engine) -> None:
    person = person_of(runtime)
    steps = [
        told("first"),
        call("slow", needs=["a"]),
        {"id": "z", "type": "transform", "template": "{{steps.say.output}}"},
    ]
    run = begin(runtime, person, steps, left=0.9, notifications=LATE)
    began = time.monotonic()
    await run_to_end(engine, run.id)
    assert time.monotonic() - began < 2.5
    after = assert_too_late(runtime, person, run)
    first, said = after.steps[:2]
    assert [(step.step_id, step.status) for step in after.steps[2:]] == [("z", "skipped")], "it was never begun"
    assert first.parsed_output == "first" and code_of(said) == "RUN_TIMEOUT"
    assert said.raw_output and said.output_tokens > 0
    assert 0 < after.credit_micros == said.credit_micros
    (mail,) = deliveries_of_run(runtime, person.id, run.id)
    assert mail.target == "on_failure.0" and mail.status == "pending"


async def test_a_short_wait_for_the_next_attempt_is_cut(runtime: Runtime, engine: Engine, vendor: StubServer) -> None:
    person = person_of(runtime)
    steps = [call("error-529", retry={"max_attempts": 3, "backoff_ms": 1500})]
    run = begin(runtime, person, steps, left=0.7)
    seen = len(vendor.stub.requests)
    began = time.monotonic()
    await run_to_end(engine, run.id)
    assert time.monotonic() - began < 1.4, "the next attempt is due later"
    (step,) = assert_too_late(runtime, person, run).steps
    assert code_of(step) == "OVERLOADED" and len(vendor.stub.requests) == seen + 1


async def test_a_run_that_let_go_until_its_next_attempt_ends_when_its_time_is_over(
    still: Runtime, still_engine: Engine, clock: FixedClock, vendor: StubServer
) -> None:
    person = person_of(still)
    run = begin(still, person, [call("rate-limit-60", retry={"max_attempts": 2})])
    seen = len(vendor.stub.requests)
    assert await still_engine.advance(run.id)
    due = wake_time(still, run.id)
    assert due is not None and (due - clock.now()).total_seconds() == LIMIT, "sooner than the vendor's minute"
    assert worked(still, run) == (clock.now(), 0), "this wait counts"
    clock.advance(seconds=LIMIT)
    assert await still_engine.advance(run.id)
    assert_too_late(still, person, run)
    assert len(vendor.stub.requests) == seen + 1


async def test_a_crash_does_not_stop_the_clock(
    still: Runtime, still_engine: Engine, clock: FixedClock, vendor: StubServer
) -> None:
    person = person_of(still)
    run = begin(still, person, [told("first"), call("normal", needs=["a"])], notifications=LATE)
    claim = claims.claim(still, run.id, "serve:test")
    assert claim is not None
    ended, cut = (
        StepStarted(StepKey("", name, 1), still.ids.new(), at, kind, 1, None, None, None, held, False, False, {})
        for at, (name, kind, held) in enumerate((("a", "transform", 0), ("say", "llm", 1000)))
    )
    done = StepEnded(ended.key, ended.row_id, 1, "completed", {"parsed": "first"}, started=ended)
    journal.apply(still, claim, [done, cut])
    clock.advance(seconds=LIMIT)
    seen = len(vendor.stub.requests)
    await run_to_end(still_engine, run.id)
    after = assert_too_late(still, person, run)
    assert [(step.status, code_of(step)) for step in after.steps] == [("completed", None), ("failed", "RUN_TIMEOUT")]
    assert len(vendor.stub.requests) == seen and after.credit_micros == 0
    (mail,) = deliveries_of_run(still, person.id, run.id)
    assert mail.error_code is None, "what was finished before the crash can be told"


async def test_a_wait_for_a_person_does_not_count(still: Runtime, still_engine: Engine, clock: FixedClock) -> None:
    person = person_of(still)
    steps = [told("Ready"), {"id": "ask", "type": "human_review", "message": "Good?"}, {**told("Done"), "id": "z"}]
    for worked_after, status in ((LIMIT - 6, "completed"), (LIMIT - 5, "failed")):
        run = begin(still, person, steps)
        assert claims.claim(still, run.id, "serve:test") is not None  # and it dies
        clock.advance(seconds=5)
        await run_to_end(still_engine, run.id)
        assert worked(still, run) == (None, 5000)
        clock.advance(hours=1)
        assert [review.status for review in reviews_of_run(still, person.id, run.id)] == ["open"]
        decide_review(still, person, run.id, "ask", "approve")
        assert claims.claim(still, run.id, "serve:test") is not None
        assert worked(still, run) == (clock.now(), 5000)
        clock.advance(seconds=worked_after)
        await run_to_end(still_engine, run.id)
        after = get_run(still, person.id, run.id)
        assert after.status == status, "only what it worked is counted, and all of it"
    assert_too_late(still, person, run)


async def test_a_pause_by_the_budget_does_not_count(still: Runtime, still_engine: Engine, clock: FixedClock) -> None:
    person = person_of(still)
    run = begin(still, person, [call("normal")], budget={"max_credits": 0.001, "on_exceed": "pause"})
    await run_to_end(still_engine, run.id)
    assert worked(still, run) == (None, 0)
    clock.advance(hours=1)
    lift_budget(still, person.id, run.id)
    await run_to_end(still_engine, run.id)
    assert get_run(still, person.id, run.id).status == "completed"


async def test_the_steps_inside_a_map_and_a_parallel_are_cut(runtime: Runtime, engine: Engine) -> None:
    person = person_of(runtime)
    item = {**call("hang", retry={"max_attempts": 3}), "prompt": "Say {{n}}"}
    each = {"id": "each", "type": "map", "foreach": "{{steps.list.output}}", "as": "n", "steps": [item]}
    both = {
        "id": "both",
        "type": "parallel",
        "steps": [{**call("slow"), "id": "left"}, {**call("hang"), "id": "right"}],
    }
    numbers = {"id": "list", "type": "transform", "template": "[1, 2, 3]", "output_format": "json"}
    run = begin(runtime, person, [numbers, each, both], left=0.9)
    began = time.monotonic()
    await run_to_end(engine, run.id)
    assert time.monotonic() - began < 2.5
    after = assert_too_late(runtime, person, run)
    ended = {step.step_id: step.status for step in after.steps}
    assert ended == {"list": "completed", **dict.fromkeys(("each", "both", "left", "right"), "failed")}
    assert after.credit_micros > 0, "what the streaming one used"


async def test_a_called_pipeline_brings_its_own_limit(runtime: Runtime, engine: Engine) -> None:
    person = person_of(runtime)
    inner = {"name": "Inner", "version": 1, "timeout_seconds": 1, "steps": [call("hang")]}
    create_pipeline(runtime, person, inner)
    outer = {"id": "outer", "type": "pipeline", "pipeline": "Inner"}
    run = begin(runtime, person, [{**outer, "timeout_seconds": 20}])
    began = time.monotonic()
    await run_to_end(engine, run.id)
    assert time.monotonic() - began < 3
    after = get_run(runtime, person.id, run.id)
    assert after.error is not None and (after.error["code"], after.error["step_id"]) == ("TIMEOUT", "outer")
    assert after.error["message"] == "Not done within 1 s, the timeout_seconds of the called pipeline. Raise it."
    assert balance(runtime, person).held_micros == 0


async def test_a_run_within_its_time_and_a_cancelled_one_end_as_ever(
    still: Runtime, still_engine: Engine, clock: FixedClock
) -> None:
    person = person_of(still)
    run = begin(still, person, [call("normal")])
    clock.advance(hours=1)  # in the queue, which does not count
    await run_to_end(still_engine, run.id)
    assert get_run(still, person.id, run.id).status == "completed"
    run = begin(still, person, [call("normal")], left=0)
    cancel_run(still, person.id, run.id)
    await run_to_end(still_engine, run.id)
    assert get_run(still, person.id, run.id).status == "cancelled"
