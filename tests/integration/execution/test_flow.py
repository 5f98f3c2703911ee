"""Where control goes: conditions, jumps, loops, parallel steps, maps and called pipelines."""

from collections.abc import Callable
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import retry_run, start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD
from tests.integration.execution.conftest import Execute


def text(step_id: str, template: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "transform", "template": template, **more}


def outputs(run: RunView) -> dict[str, Any]:
    return {step.step_id: step.parsed_output for step in run.steps}


def states(run: RunView) -> dict[str, str]:
    return {step.step_id: step.status for step in run.steps}


INPUT = {"schema": {"n": {"type": "integer", "required": True}}}


@pytest.mark.parametrize(("n", "expected"), [(5, "big"), (1, "small")])
async def test_a_condition_jumps_over_what_is_skipped_with_a_reason(execute: Execute, n: int, expected: str) -> None:
    run = await execute(
        [
            {"id": "check", "type": "condition", "if": "input.n > 3", "then": "big", "else": "small"},
            text("big", "big", on_condition=[{"if": "true", "goto": "done"}]),
            text("small", "small"),
            text("done", "{{#if steps.big.output}}big{{else}}{{steps.small.output}}{{/if}}"),
        ],
        {"n": n},
        input=INPUT,
    )
    assert run.status == "completed", run.error
    assert run.output_data == expected
    skipped = "small" if expected == "big" else "big"
    assert states(run) == {"check": "completed", "big": "completed", "small": "completed", "done": "completed"} | {
        skipped: "skipped"
    }
    reason = next(step.reason for step in run.steps if step.step_id == skipped)
    assert reason is not None and ("check" in reason or "big" in reason)


async def test_a_condition_may_be_a_template(execute: Execute) -> None:
    steps = [
        text("word", "{{input.n}}"),
        {"id": "check", "type": "condition", "if": "{{steps.word.output}}", "else": "end"},
        text("after", "went on"),
    ]
    assert (await execute(steps, {"n": 7}, input=INPUT)).output_data == "went on"
    stopped = await execute(steps, {"n": 0}, input=INPUT)
    assert stopped.status == "completed" and states(stopped)["after"] == "skipped"


async def test_a_loop_goes_back_at_most_so_often_and_sees_its_last_round(execute: Execute) -> None:
    run = await execute(
        [
            text("draft", "{{#if steps.draft_check.output}}{{steps.draft_check.output}}{{/if}}x"),
            text(
                "draft_check",
                "{{steps.draft.output}}",
                on_condition=[{"if": "size(steps.draft_check.output) < 10", "goto": "draft", "max_loops": 3}],
            ),
            text("done", "{{steps.draft.output}}"),
        ]
    )
    assert run.status == "completed", run.error
    assert run.output_data == "xxxx", "the first round and three more"


async def test_parallel_steps_and_what_stands_outside_see_each_other(execute: Execute) -> None:
    run = await execute(
        [
            text("before", "a"),
            {"id": "both", "type": "parallel", "steps": [text("left", "{{steps.before.output}}l"), text("right", "r")]},
            text("after", "{{steps.both.output.left}}{{steps.right.output}}"),
        ]
    )
    assert run.status == "completed", run.error
    assert run.output_data == "alr"
    assert outputs(run)["both"] == {"left": "al", "right": "r"}
    assert [step.step_id for step in run.steps] == ["before", "both", "left", "right", "after"]


ROWS = {"id": "rows", "type": "transform", "template": "{{json input.list}}", "output_format": "json"}


async def test_a_map_over_light_items_and_over_calls(execute: Execute) -> None:
    light = {
        "id": "each",
        "type": "map",
        "foreach": "rows",
        "as": "row",
        "steps": [text("upper", "<{{row.name}}>"), text("twice", "{{steps.upper.output}}{{steps.upper.output}}")],
    }
    calls = {
        "id": "each",
        "type": "map",
        "foreach": "{{steps.rows.output}}",
        "concurrency": 2,
        "steps": [{"id": "say", "model": "demo", "prompt": "Summarise: {{item.name}} keeps bees."}],
    }
    data = {"list": None}
    rows = text("rows", '[{"name": "Ada"}, {"name": "Bo"}, {"name": "Cy"}]', output_format="json")
    run = await execute([rows, light], data)
    assert run.output_data == ["<Ada><Ada>", "<Bo><Bo>", "<Cy><Cy>"], run.error
    run = await execute([rows, calls], data)
    assert run.status == "completed", run.error
    assert isinstance(run.output_data, list) and len(run.output_data) == 3
    assert all(name in str(said) for name, said in zip(("Ada", "Bo", "Cy"), run.output_data, strict=True))
    assert states(run) == {"rows": "completed", "each": "completed"} and run.total_tokens > 0


async def test_only_failed_items_are_worked_out_again(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    rows = text("rows", '[{"v": "1"}, {"w": "2"}, {"v": "3"}]', output_format="json")
    each = {"id": "each", "type": "map", "foreach": "rows", "steps": [text("pick", "{{item.v}}")]}
    run = await execute([rows, each])
    assert run.status == "failed" and run.error is not None and run.error["code"] == "ITEMS_FAILED"
    assert "1 of 3 items" in str(run.error["message"]) and "Item 2" in str(run.error["message"])
    assert outputs(run)["each"] == ["1", None, "3"], "what was done is kept"
    again = retry_run(runtime, owner, run.id)
    await run_to_end(engine, again.id)
    after = get_run(runtime, owner.id, again.id)
    assert after.status == "failed" and outputs(after)["rows"] is not None and states(after)["rows"] == "reused"


async def test_a_pipeline_is_called_with_its_input(runtime: Runtime, owner: Account, execute: Execute) -> None:
    inner = {
        "name": "Greeter",
        "version": 1,
        "input": {"schema": {"who": {"type": "string", "required": True}}},
        "steps": [text("hello", "Hello {{input.who}}")],
    }
    create_pipeline(runtime, owner, inner)
    call = {"id": "greet", "type": "pipeline", "pipeline": "Greeter", "input": {"who": "{{steps.name.output}}"}}
    run = await execute([text("name", "Ada"), call, text("done", "{{steps.greet.output}}!")])
    assert run.status == "completed", run.error
    assert run.output_data == "Hello Ada!"


async def test_a_failure_inside_names_the_inner_step(execute: Execute) -> None:
    inner = [text("fine", "x"), {"id": "bad", "type": "transform", "extract": "a", "from": "{{steps.word.output}}"}]
    run = await execute([text("word", "no json"), {"id": "both", "type": "parallel", "steps": inner}])
    assert run.status == "failed" and run.error is not None
    assert run.error["step_id"] == "bad" and run.error["code"] == "NOT_JSON"
    assert states(run) == {"word": "completed", "both": "failed", "fine": "completed", "bad": "failed"}


async def test_a_time_limit_written_for_a_whole_closes_what_is_inside(
    runtime_with: Callable[..., Runtime], database_settings: dict[str, str]
) -> None:
    runtime = runtime_with(**database_settings, demo_pace_ms=200)
    person = create_account(runtime, email="ada@example.org", password=PASSWORD)
    slow = {"id": "slow", "model": "demo", "prompt": "Summarise: " + "bees make honey and live in hives. " * 30}
    steps = [{"id": "both", "type": "parallel", "timeout_seconds": 1, "steps": [slow, text("fast", "x")]}]
    pipeline = create_pipeline(runtime, person, {"name": "Limit", "version": 1, "steps": steps})
    engine = Engine(runtime, "serve:test")
    started = start_run(runtime, person, pipeline.id, {})
    await run_to_end(engine, started.id)
    run = get_run(runtime, person.id, started.id)
    assert run.status == "failed" and run.error is not None and run.error["code"] == "TIMEOUT"
    assert states(run) == {"both": "failed", "slow": "failed", "fast": "completed"}
    engine.close()
    await runtime.providers.aclose()
