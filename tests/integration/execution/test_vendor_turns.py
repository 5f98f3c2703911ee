"""All processes together keep to a vendor's limit, on both databases."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from core.accounts.commands import save_own_key
from core.accounts.domain import Account
from core.execution import vendor_turns
from core.execution.queries import events_after
from core.execution.vendor_turns import put_off_turns, reserve_turn
from core.platform.runtime import Runtime
from core.platform.settings import load_settings
from core.shared.errors import InvalidInput
from tests.integration.execution.conftest import Execute
from tests.support.clock import FixedClock
from tests.support.server import vendor_process

MODEL = "claude-sonnet-4-5"


@pytest.fixture(scope="module")
def vendor() -> Iterator[str]:
    with vendor_process(0) as url:
        yield url


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.fixture
def still(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    """A Runtime whose time stands still."""
    return runtime_with(clock=clock, **database_settings)


def test_turns_are_spread_after_a_burst_and_come_back_with_time(still: Runtime, clock: FixedClock) -> None:
    waits = [reserve_turn(still, "anthropic", 60) for _ in range(8)]
    assert waits == [0, 0, 0, 0, 0, 1, 2, 3], "five seconds' worth at once, then one a second"
    clock.advance(seconds=60)
    assert [reserve_turn(still, "anthropic", 60) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    assert reserve_turn(still, "openai", 60) == 0, "each vendor has turns of its own"


def test_a_refusal_puts_everybody_off(still: Runtime, clock: FixedClock) -> None:
    reserve_turn(still, "anthropic", 60)
    put_off_turns(still, "anthropic", 60, seconds=30)
    assert [reserve_turn(still, "anthropic", 60) for _ in range(2)] == [31, 32]
    put_off_turns(still, "anthropic", 60, seconds=1)
    assert reserve_turn(still, "anthropic", 60) == 33, "a shorter refusal does not bring the end nearer"


def test_no_turn_is_given_twice(still: Runtime) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: reserve_turn(still, "anthropic", 600), range(100)))
    assert waits == [max(0.0, (n - 49) / 10) for n in range(100)]


@pytest.fixture
def runtime(
    runtime_with: Callable[..., Runtime],
    database_settings: dict[str, str],
    vendor: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Runtime:
    monkeypatch.setattr(vendor_turns, "BURST_SECONDS", 0.0)
    monkeypatch.setattr(vendor_turns, "TOLD_FROM_SECONDS", 0.05)
    keys = {"anthropic_api_key": "sk-ant-test", "anthropic_base_url": vendor}
    return runtime_with(**database_settings, **keys, vendor_limits={"anthropic": 300})


async def test_steps_wait_for_their_turn_and_say_so(runtime: Runtime, owner: Account, execute: Execute) -> None:
    steps = [{"id": f"s{n}", "model": MODEL, "prompt": f"say {n}", "max_tokens": 32} for n in range(5)]
    await execute([{"id": "warm", "model": MODEL, "prompt": "warm", "max_tokens": 32}])
    began = time.monotonic()
    run = await execute(steps)
    assert run.status == "completed", run.error
    assert time.monotonic() - began > 0.8, "five calls at five a second, the first of them at once"
    told = [event.data for event in events_after(runtime, run.id, 0) if event.data.get("event") == "waiting"]
    assert told and all(fact["for"] == "a turn at anthropic" for fact in told)


async def test_waiting_is_no_part_of_the_steps_time(runtime: Runtime, owner: Account, execute: Execute) -> None:
    call = {"id": "a", "model": MODEL, "prompt": "say", "max_tokens": 32}
    await execute([call])  # the SDK is loaded once a process
    put_off = [reserve_turn(runtime, "anthropic", 300) for _ in range(14)][-1]
    assert put_off > 2.2, "more than the step may take, with what is added to that"
    run = await execute([{**call, "timeout_seconds": 1}])
    assert run.status == "completed", run.error


@pytest.mark.parametrize("agent", [None, {"max_turns": 2, "tools": ["extract_json"]}], ids=["call", "agent"])
async def test_what_the_vendor_refused_to_one_is_told_to_all(
    runtime: Runtime, owner: Account, execute: Execute, agent: dict[str, Any] | None
) -> None:
    refused = {"id": "a", "model": "claude-sonnet-4-5-rate-limit-30", "prompt": "say", "max_tokens": 32}
    run = await execute([{**refused, **({"agent": agent} if agent else {})}])
    assert run.error is not None and run.error["code"] == "RATE_LIMITED"
    assert 28 < reserve_turn(runtime, "anthropic", 300) < 31


async def test_a_repair_waits_for_a_turn_too(runtime: Runtime, owner: Account, execute: Execute) -> None:
    asked = {"id": "a", "model": MODEL, "prompt": "say", "max_tokens": 32, "output_format": "json"}
    run = await execute([{**asked, "timeout_seconds": 1}])
    assert run.status == "failed" and run.error is not None and run.error["code"] == "OUTPUT_MISMATCH"
    told = [event.data for event in events_after(runtime, run.id, 0) if event.data.get("event") == "waiting"]
    assert len(told) == 1, "the first call had its turn at once"


async def test_a_key_of_ones_own_waits_for_nobody(runtime: Runtime, owner: Account, execute: Execute) -> None:
    save_own_key(runtime, owner.id, "anthropic", "sk-ant-own")
    put_off_turns(runtime, "anthropic", 300, seconds=3600)
    reserve_turn(runtime, "anthropic", 300)
    run = await execute([{"id": "a", "model": MODEL, "prompt": "say", "max_tokens": 32}])
    assert run.status == "completed", run.error


def test_limits_are_read_from_the_settings() -> None:
    given = load_settings(_env_file=None, STEPIQ_VENDOR_LIMITS="anthropic=50, openai = 500")
    assert given.vendor_limits == {"anthropic": 50, "openai": 500}
    for wrong in ("anthropic", "anthropic=", "anthropic=0", "=5", "anthropic=-1", "anthropic=1.5"):
        with pytest.raises(InvalidInput, match="STEPIQ_VENDOR_LIMITS"):
            load_settings(_env_file=None, STEPIQ_VENDOR_LIMITS=wrong)
