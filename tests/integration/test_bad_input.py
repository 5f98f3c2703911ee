"""Texts that are too long, NUL characters and deep nesting: each a clear message at its place, on both databases."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.queries import balance, verify_ledger
from core.execution.commands import run_cells, start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.notebook import quote_pipeline
from core.execution.queries import get_run, list_runs
from core.pipelines.commands import create_pipeline
from core.pipelines.queries import get_pipeline, list_pipelines
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput
from tests.conftest import PASSWORD
from tests.support.vendor_stub import StubServer

LONG = """
name: Long
input:
  schema:
    text: {type: string, required: true}
steps:
  - id: whole
    type: transform
    template: "{{input.text}}"
  - id: answer
    model: claude-sonnet-4-5
    max_tokens: 100
    prompt: "Summarise: {{steps.whole.output}}"
    system_prompt: "Mind this: {{steps.whole.output}}"
"""
LOOP = """
name: Loop
input:
  schema:
    text: {type: string, required: true}
steps:
  - id: rows
    type: transform
    template: "{{input.text}}"
    output_format: json
  - id: answer
    model: claude-sonnet-4-5
    max_tokens: 100
    prompt: "{{#each steps.rows.output}}{{this}}{{this}}{{/each}}"
"""
ECHO = """
name: Echo
input:
  schema:
    text: {type: string}
steps:
  - id: said
    type: transform
    template: "{{#if input.text}}{{input.text}}{{else}}nothing{{/if}}"
"""


@pytest.fixture
async def engine(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str], vendor: StubServer
) -> AsyncIterator[Engine]:
    """Claude on the platform's key, at the stand-in."""
    keys = {"anthropic_api_key": "sk-test", "anthropic_base_url": f"{vendor.url}/anthropic"}
    vendor.stub.requests.clear()
    made = Engine(runtime_with(**database_settings, **keys), "serve:test")
    yield made
    made.close()
    await made.runtime.providers.aclose()


@pytest.fixture
def person(engine: Engine) -> Account:
    return create_account(engine.runtime, email="ada@example.org", password=PASSWORD, plan="pro")


async def finish(engine: Engine, person: Account, definition: str, text: str) -> RunView:
    pipeline = create_pipeline(engine.runtime, person, definition)
    run = start_run(engine.runtime, person, pipeline.id, {"text": text})
    await run_to_end(engine, run.id)
    return get_run(engine.runtime, person.id, run.id)


@pytest.mark.parametrize(
    ("characters", "said"),
    [(2_500_000, "5,000,022 characters; 4,000,000 are allowed"), (1_000_000, "claude-sonnet-4-5 reads 200,000")],
)
async def test_a_prompt_too_long_fails_its_step_before_anything_is_sent_or_held(
    engine: Engine, person: Account, vendor: StubServer, characters: int, said: str
) -> None:
    run = await finish(engine, person, LONG, "word " * (characters // 5))
    assert run.status == "failed"
    assert [step.status for step in run.steps] == ["completed", "failed"]
    failed = run.steps[1].error
    assert failed is not None and failed["code"] == "PROMPT_TOO_LONG" and failed["step_id"] == "answer"
    assert said in str(failed["message"]) and "Shorten the input, or split it" in str(failed["message"])
    assert run.error == failed, "the run says it as well"
    assert not vendor.stub.requests
    assert balance(engine.runtime, person).held_micros == 0 and verify_ledger(engine.runtime).problems == ()


async def test_a_loop_that_prints_too_much_fails_its_step(engine: Engine, person: Account, vendor: StubServer) -> None:
    run = await finish(engine, person, LOOP, json.dumps(["word " * 5_000] * 100))
    failed = run.steps[1].error
    assert run.status == "failed" and failed is not None
    assert failed["code"] == "RENDER_TOO_LARGE" and failed["step_id"] == "answer"
    assert "passes 4,000,000 characters: use shorter values or fewer loops" in str(failed["message"])
    assert not vendor.stub.requests


def nested(levels: int, inner: Any = "x") -> Any:
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("a\0b", "NUL_CHARACTER", "`text` holds a NUL character (U+0000): take it out."),
        ([{"deep": ["a\0b"]}], "NUL_CHARACTER", "`text` holds a NUL character"),
        ({"a\0b": 1}, "NUL_CHARACTER", "`text` holds a NUL character"),
        (nested(40), "TOO_DEEP", "`text` is nested deeper than 32 levels: take some levels away."),
        (nested(100_000), "TOO_DEEP", "`text` is nested deeper than 32 levels"),
    ],
)
def test_nul_characters_and_deep_nesting_are_refused_before_a_run_is_made(
    runtime: Runtime, owner: Account, value: Any, code: str, said: str
) -> None:
    pipeline = create_pipeline(runtime, owner, ECHO)
    data = {"text": value}
    for start in (
        lambda: start_run(runtime, owner, pipeline.id, data),
        lambda: quote_pipeline(runtime, owner, pipeline.id, data),
        lambda: run_cells(runtime, owner, pipeline.id, text=ECHO, input_data=data, mode="all"),
    ):
        with pytest.raises(InvalidInput) as refused:
            start()
        assert said in refused.value.message
        assert refused.value.context["details"][0]["code"] == code
        assert refused.value.context["details"][0]["path"] == "input.text"
    assert list_runs(runtime, owner.id).items == ()


async def test_32_levels_are_kept(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, ECHO)
    data = {"text": "fine", "more": nested(32, "é"), "wide": [nested(3)] * 1000}
    assert start_run(runtime, owner, pipeline.id, data).input_data == data


def test_a_nul_in_an_id_or_a_search_finds_nothing_and_fails_nothing(runtime: Runtime, owner: Account) -> None:
    create_pipeline(runtime, owner, ECHO)
    for read in (
        lambda: get_run(runtime, owner.id, "a\0b"),
        lambda: get_pipeline(runtime, owner.id, "a\0b"),
        lambda: list_runs(runtime, owner.id, cursor="a\0b"),
        lambda: list_runs(runtime, owner.id, pipeline_id="a\0b", status="a\0b", text="a\0b"),
        lambda: list_pipelines(runtime, owner.id, 10, "a\0b"),
        lambda: start_run(runtime, owner, "a\0b", {}),
    ):
        try:
            read()
        except AppError as error:
            assert error.code in ("RUN_NOT_FOUND", "PIPELINE_NOT_FOUND", "NUL_CHARACTER"), error.code
