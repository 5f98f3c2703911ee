"""Whose key a run's calls are made with: the person's choice, recorded with the run, and never another silently."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.accounts.commands import create_account, save_own_key
from core.accounts.domain import FUNDINGS
from core.accounts.profile import update_profile
from core.accounts.queries import get_account
from core.credits.queries import balance
from core.execution.commands import start_run
from core.execution.engine import Engine, run_to_end
from core.execution.funding import funding_of
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.pipelines.definition import read_definition
from core.pipelines.queries import runnable_version
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput
from tests.conftest import PASSWORD
from tests.support.vendor_stub import StubServer

SOURCE = "name: Ask\nsteps:\n  - {id: ask, model: claude-sonnet-5-5, prompt: go, max_tokens: 64}"
EXPECTED = {
    # choice: (both keys, only an own one, only the platform's, none)
    "own_first": ("own_key", "own_key", "platform", "none"),
    "platform_first": ("platform", "own_key", "platform", "none"),
    "own_only": ("own_key", "own_key", "own_key", "own_key"),
}


@pytest.mark.parametrize("place", range(4), ids=["both", "own", "platform", "none"])
def test_whose_key_pays(runtime_with: Callable[..., Runtime], place: int) -> None:
    runtime = runtime_with(**({"anthropic_api_key": "sk-ant-test"} if place in (0, 2) else {}))
    person = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="pro")
    pipeline = create_pipeline(runtime, person, SOURCE)
    definition = read_definition(runnable_version(runtime, person.id, pipeline.id, None).definition)
    if place in (0, 1):
        save_own_key(runtime, person.id, "anthropic", "sk-ant-own-0123456789")
    found = {
        choice: funding_of(runtime, update_profile(runtime, person.id, funding=choice), definition)["anthropic"]
        for choice in FUNDINGS
    }
    assert found == {choice: modes[place] for choice, modes in EXPECTED.items()}


def test_a_choice_there_is_not(sqlite_runtime: Runtime) -> None:
    person = create_account(sqlite_runtime, email="ada@example.org", password=PASSWORD)
    assert person.funding == "own_first"
    with pytest.raises(InvalidInput, match="own_first, platform_first, own_only"):
        update_profile(sqlite_runtime, person.id, funding="cheapest")


async def test_only_own_keys_never_reach_the_platforms(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    with StubServer() as vendor:
        runtime = runtime_with(anthropic_api_key="sk-ant-test", anthropic_base_url=vendor.url, **database_settings)
        person = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="pro")
        person = update_profile(runtime, person.id, funding="own_only")
        pipeline = create_pipeline(runtime, person, SOURCE)
        engine = Engine(runtime, "serve:test")
        run = start_run(runtime, person, pipeline.id, {})
        await run_to_end(engine, run.id)
        done = get_run(runtime, person.id, run.id)
        assert (done.status, done.funding_mode, done.credit_micros) == ("failed", "own_key", 0)
        assert "key" in str(done.error) and vendor.stub.requests == []

        update_profile(runtime, person.id, funding="platform_first")
        run = start_run(runtime, get_account(runtime, person.id), pipeline.id, {})
        update_profile(runtime, person.id, funding="own_only")  # decided when the run was asked for
        await run_to_end(engine, run.id)
        done = get_run(runtime, person.id, run.id)
        assert (done.status, done.funding_mode) == ("completed", "platform") and done.credit_micros > 0
        assert balance(runtime, person).spent_micros == done.credit_micros
        engine.close()
        await runtime.providers.aclose()
