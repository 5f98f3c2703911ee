"""Whether a vendor is in trouble, from real failing calls, on both databases."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from core.accounts.commands import create_account, save_own_key
from core.accounts.domain import Account
from core.execution.commands import fork_run, start_run
from core.execution.engine import Engine, run_to_end
from core.execution.queries import list_runs
from core.execution.vendor_status import VendorTrouble, vendors_in_trouble
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.test_query_plans import plan_of, scanned, statements_of
from tests.support.clock import FixedClock
from tests.support.many_runs import copy_run
from tests.support.vendor_stub import StubServer

GOOD, BUSY, LIMITED, WRONG = (f"claude-opus-4-1{end}" for end in ("", "-error-529", "-rate-limit-0", "-error-400"))
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def stub() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def runtime(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], stub: StubServer, clock: FixedClock
) -> Runtime:
    return runtime_with(
        clock=clock, **database_settings, anthropic_api_key="sk-ant-test-key", anthropic_base_url=stub.url,
        openai_api_key="sk-test", openai_base_url="http://127.0.0.1:9/v1", outbound_allowlist="127.0.0.1",
    )  # fmt: skip


@pytest.fixture
def call(runtime: Runtime, owner: Account) -> Call:
    """Call models, one after the other."""

    async def make(*models: str, person: Account = owner) -> None:
        engine = Engine(runtime, "serve:test")
        for model in models:
            step = {"id": "ask", "model": model, "prompt": "Say so.", "max_tokens": 20}
            made = create_pipeline(runtime, person, {"name": "Asks", "version": 1, "steps": [step]})
            await run_to_end(engine, start_run(runtime, person, made.id, {}).id)
        engine.close()
        await runtime.providers.aclose()

    return make


@pytest.fixture
def other(runtime: Runtime) -> Account:
    return create_account(runtime, email="bo@example.org", password=PASSWORD)


async def test_more_than_half_of_five_calls_have_to_fail(runtime: Runtime, call: Call, clock: FixedClock) -> None:
    await call(BUSY, BUSY, BUSY, BUSY)
    assert vendors_in_trouble(runtime) == (), "four calls tell nothing"
    await call(GOOD)
    assert vendors_in_trouble(runtime) == (VendorTrouble("anthropic", 4, 5, 10),)
    await call(GOOD, GOOD, GOOD)
    assert vendors_in_trouble(runtime) == (), "half of them answered"
    await call(BUSY)
    assert vendors_in_trouble(runtime) == (VendorTrouble("anthropic", 5, 9),)
    clock.advance(minutes=10, seconds=1)
    assert vendors_in_trouble(runtime) == (), "it is over"


async def test_a_connection_that_is_refused_counts_and_each_vendor_by_itself(runtime: Runtime, call: Call) -> None:
    await call(*["gpt-4o-mini"] * 5, *[GOOD] * 5)
    assert vendors_in_trouble(runtime) == (VendorTrouble("openai", 5, 5),)


async def test_what_is_not_the_vendors_is_not_counted(runtime: Runtime, call: Call, other: Account) -> None:
    await call(*[LIMITED] * 3, *[WRONG] * 3, *["demo"] * 6)
    assert vendors_in_trouble(runtime) == (), "limits and wrong requests"
    await call(*[BUSY] * 9)
    assert vendors_in_trouble(runtime) == (VendorTrouble("anthropic", 9, 15),)
    await call(GOOD, person=other)
    assert vendors_in_trouble(runtime) == (), "it answers another person: it is something of this one"
    await call(BUSY, person=other)
    assert vendors_in_trouble(runtime) == (VendorTrouble("anthropic", 10, 17),)


async def test_somebodys_own_gateway_is_not_the_vendor(
    runtime: Runtime, owner: Account, call: Call, stub: StubServer
) -> None:
    save_own_key(runtime, owner.id, "anthropic", "sk-ant-" + "x" * 40, base_url=stub.url)
    await call(*[BUSY] * 6)
    assert vendors_in_trouble(runtime) == ()


async def test_a_reused_output_is_no_call(runtime: Runtime, owner: Account, call: Call) -> None:
    await call(*[BUSY] * 4)
    engine = Engine(runtime, "serve:test")
    steps = [
        {"id": "ask", "model": GOOD, "prompt": "Say.", "max_tokens": 20},
        {"id": "b", "model": "demo", "prompt": "x"},
    ]
    made = create_pipeline(runtime, owner, {"name": "Asks", "version": 1, "steps": steps})
    first = start_run(runtime, owner, made.id, {})
    await run_to_end(engine, first.id)
    for _ in range(6):
        await run_to_end(engine, fork_run(runtime, owner, made.id, first.id, "b").id)
    engine.close()
    await runtime.providers.aclose()
    assert vendors_in_trouble(runtime) == (VendorTrouble("anthropic", 4, 5),)


async def test_it_reads_through_an_index(runtime: Runtime, owner: Account, call: Call) -> None:
    await call("demo")
    (run,) = list_runs(runtime, owner.id).items
    copy_run(runtime, run.id, 3_000)
    with runtime.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("UPDATE step_runs SET started_at = '2020-01-01 00:00:00.000000'")
        connection.exec_driver_sql("ANALYZE")
    ((statement, parameters),) = statements_of(runtime, lambda: vendors_in_trouble(runtime))
    plan = plan_of(runtime, statement, parameters)
    assert scanned(runtime, plan) == [] and any("ix_step_runs_started_at" in line for line in plan), plan
