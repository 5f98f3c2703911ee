"""Attempts, fallbacks and budgets, through a vendor's real SDK against the stand-in."""

from collections.abc import Callable
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import lift_budget, start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.leases import wake_time
from core.execution.queries import get_run
from core.execution.retries import Try, next_try
from core.pipelines.commands import create_pipeline
from core.pipelines.definition import LlmStep
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, ProviderError
from tests.conftest import PASSWORD
from tests.support.clock import FixedClock
from tests.support.vendor_stub import StubServer

GOOD, BUSY, BROKEN = "claude-sonnet-4-5", "claude-opus-4-1-error-529", "claude-opus-4-1-error-400"


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer) -> Runtime:
    return runtime_with(**database_settings, anthropic_api_key="sk-ant-test", anthropic_base_url=vendor.url)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    return create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")


def begin(runtime: Runtime, person: Account, steps: list[dict[str, Any]], **top: Any) -> RunView:
    pipeline = create_pipeline(runtime, person, {"name": "Tries", "version": 1, **top, "steps": steps})
    return start_run(runtime, person, pipeline.id, {})


def call(model: str, **more: Any) -> dict[str, Any]:
    return {"id": "say", "model": model, "prompt": "Say hello", "max_tokens": 50, **more}


async def test_a_fallback_answers_when_the_model_does_not(runtime: Runtime, person: Account, engine: Engine) -> None:
    run = begin(runtime, person, [call(BUSY, fallback=[BROKEN, GOOD], retry={"max_attempts": 2, "backoff_ms": 1})])
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "completed", after.error
    (step,) = after.steps
    assert step.model == GOOD and step.retry_count == 3, "two busy, one broken, then the answer"
    assert [attempt.status for attempt in step.attempts] == ["failed", "failed", "failed", "completed"]
    assert 0 < after.credit_micros <= run.quote.max_micros


async def test_a_budget_stops_before_the_call_that_could_pass_it(
    runtime: Runtime, person: Account, engine: Engine
) -> None:
    run = begin(runtime, person, [call(GOOD)], budget={"max_credits": 0.001})
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "failed" and after.error is not None and after.error["code"] == "BUDGET_EXCEEDED"
    assert after.credit_micros == 0 and run.quote.max_micros == 1000


async def test_a_budget_pauses_until_it_is_lifted(runtime: Runtime, person: Account, engine: Engine) -> None:
    run = begin(runtime, person, [call(GOOD)], budget={"max_credits": 0.001, "on_exceed": "pause"})
    await run_to_end(engine, run.id)
    assert get_run(runtime, person.id, run.id).status == "waiting"
    lift_budget(runtime, person.id, run.id)
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "completed" and after.credit_micros > 1000


async def test_a_budget_takes_the_cheaper_model(runtime: Runtime, person: Account, engine: Engine) -> None:
    budget = {"max_credits": 0.2, "on_exceed": "downgrade", "downgrade_to": "claude-haiku-4-5"}
    dear = call("claude-opus-4-1", max_tokens=100)
    run = begin(runtime, person, [dear], budget=budget)
    await run_to_end(engine, run.id)
    after = get_run(runtime, person.id, run.id)
    assert after.status == "completed", after.error
    assert after.steps[0].model == "claude-haiku-4-5"
    assert after.credit_micros <= 200_000


async def test_a_long_wait_lets_go_of_the_run(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer
) -> None:
    clock = FixedClock()
    runtime = runtime_with(
        clock=clock, **database_settings, anthropic_api_key="sk-ant-test", anthropic_base_url=vendor.url
    )
    person = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")
    engine = Engine(runtime, "serve:test")
    step = call("claude-sonnet-4-5-rate-limit-60", retry={"max_attempts": 2}, fallback=[GOOD])
    run = begin(runtime, person, [step])
    assert await engine.advance(run.id)
    due = wake_time(runtime, run.id)
    assert due is not None and 60 <= (due - clock.now()).total_seconds() <= 75, "the vendor's wait, and some chance"
    assert not await engine.advance(run.id), "it is not taken up before"
    clock.advance(seconds=76)
    assert await engine.advance(run.id)
    assert get_run(runtime, person.id, run.id).status == "completed", "limited again, then the fallback"
    engine.close()
    await runtime.providers.aclose()


def test_what_comes_after_a_failed_attempt() -> None:
    step = LlmStep.model_validate(
        {"id": "a", "prompt": "x", "fallback": ["b"], "retry": {"max_attempts": 3, "backoff_ms": 100}}
    )
    busy = ProviderError("BUSY", "busy", retryable=True, retry_after=2.0)
    second = next_try(step, Try(), busy)
    assert second is not None and (second.number, second.model) == (2, 0) and 2000 <= second.wait_ms <= 2400
    assert next_try(step, Try(3), busy) == Try(1, 1)
    assert next_try(step, Try(), ProviderError("BAD", "bad", retryable=False)) == Try(1, 1)
    assert next_try(step, Try(3, 1), busy) is None
    assert next_try(step, Try(), InvalidInput("OUTPUT_MISMATCH", "no")) is None
