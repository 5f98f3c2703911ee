"""Running again from an earlier run: what still holds is reused, the rest and what acts outside is executed."""

from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import fork_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.pipelines.commands import update_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.integration.execution.conftest import Execute

STEPS: list[dict[str, Any]] = [
    {"id": "a", "model": "demo", "prompt": "Summarise: {{input.text}}"},
    {"id": "b", "model": "demo", "prompt": "List the keywords of: {{steps.a.output}}"},
    {"id": "c", "type": "transform", "template": "{{steps.a.output}} / {{steps.b.output}}"},
]
INPUT = {"text": "Bees make honey. Bees live in hives."}
TOP = {"input": {"schema": {"text": {"type": "string", "required": True}}}}


def states(run: RunView) -> list[str]:
    return [step.status for step in run.steps]


async def forked(runtime: Runtime, owner: Account, engine: Engine, run: RunView, *args: Any, **more: Any) -> RunView:
    assert run.pipeline_id is not None
    made = fork_run(runtime, owner, run.pipeline_id, run.id, *args, **more)
    await run_to_end(engine, made.id)
    return get_run(runtime, owner.id, made.id)


async def test_from_a_step_on(runtime: Runtime, owner: Account, engine: Engine, execute: Execute) -> None:
    run = await execute(STEPS, INPUT, **TOP)
    again = await forked(runtime, owner, engine, run, "b")
    assert states(again) == ["reused", "completed", "completed"] and again.output_data == run.output_data
    assert again.reused[0] == 1 and again.input_data == INPUT
    whole = await forked(runtime, owner, engine, run)
    assert states(whole) == ["reused", "reused", "completed"], "a template costs nothing: it is filled in again"


async def test_what_was_edited_does_not_hold_any_more(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute(STEPS, INPUT, **TOP)
    other = await forked(runtime, owner, engine, run, input_data={"text": "Cats sleep. Cats purr."})
    assert states(other) == ["completed"] * 3
    edited = [STEPS[0], {**STEPS[1], "prompt": "Name the topic of: {{steps.a.output}}"}, STEPS[2]]
    update_pipeline(runtime, owner, str(run.pipeline_id), source={"name": "Test", "version": 1, **TOP, "steps": edited})
    assert states(await forked(runtime, owner, engine, run)) == ["reused", "completed", "completed"]


async def test_a_pinned_output_stands_as_it_is(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute(STEPS, INPUT, **TOP)
    pinned = await forked(runtime, owner, engine, run, pinned={"a": "Pinned."})
    assert states(pinned) == ["reused", "completed", "completed"]
    assert str(pinned.output_data).startswith("Pinned. / ")


async def test_only_ones_own_runs_and_steps(runtime: Runtime, owner: Account, engine: Engine, execute: Execute) -> None:
    run = await execute(STEPS, INPUT, **TOP)
    with pytest.raises(InvalidInput):
        fork_run(runtime, owner, str(run.pipeline_id), run.id, "nope")
    other = create_account(runtime, email="other@example.org", password=PASSWORD)
    with pytest.raises(NotFound):
        fork_run(runtime, other, str(run.pipeline_id), run.id)
