"""The engine on both databases, with the demo model: order, reuse, failure, crash, cancel."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.accounts.domain import Account
from core.execution import claims, journal, leases
from core.execution.changes import LostLease, Progress, RunEnded, StepEnded, StepKey, StepStarted
from core.execution.commands import cancel_run, retry_run, run_cells, start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.notebook import notebook, quote_pipeline
from core.execution.queries import events_after, get_run, list_runs, run_as_dict
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import InvalidInput, NotFound

TEXT = """
name: Three steps
version: 1
input:
  schema:
    text: {type: string, required: true}
steps:
  - id: first
    type: llm
    model: demo
    prompt: "Summarise: {{input.text}}"
  - id: second
    type: llm
    model: demo
    prompt: "List the keywords of: {{input.text}}"
  - id: both
    type: transform
    template: "{{steps.first.output}} / {{steps.second.output}}"
output:
  from: both
"""
INPUT = {"text": "Bees make honey. Bees live in hives. A hive holds one queen."}


@pytest.fixture
async def engine(runtime: Runtime) -> AsyncIterator[Engine]:
    made = Engine(runtime, "serve:test")
    yield made
    made.close()
    await runtime.providers.aclose()


async def finish(engine: Engine, owner: Account, run: RunView) -> RunView:
    await run_to_end(engine, run.id)
    return get_run(engine.runtime, owner.id, run.id)


async def test_a_run_completes_and_shows_what_it_did(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    started = start_run(runtime, owner, pipeline.id, INPUT)
    assert started.status == "pending" and [s.status for s in started.steps] == ["pending"] * 3
    run = await finish(engine, owner, started)
    assert run.status == "completed" and run.funding_mode == "free" and run.credit_micros == 0
    first, second, both = run.steps
    assert both.parsed_output == f"{first.parsed_output} / {second.parsed_output}" == run.output_data
    assert first.prompt_sent == f"Summarise: {INPUT['text']}" and first.input_tokens > 0
    kinds = [(e.kind, e.step_id, e.data.get("status")) for e in events_after(runtime, run.id, 0)]
    assert kinds[0] == ("run_status", None, "running") and kinds[-1] == ("run_status", None, "completed")
    assert not [kind for kind in kinds if kind[0] == "token"], "live text is folded away"
    assert [e.seq for e in events_after(runtime, run.id, 0)] == sorted(e.seq for e in events_after(runtime, run.id, 0))
    shown = run_as_dict(run)
    assert shown["credits_deducted"] == 0 and str(shown["created_at"]).endswith("Z")


async def test_somebody_else_sees_nothing(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    run = start_run(runtime, owner, pipeline.id, INPUT)
    other = runtime.ids.new()
    with pytest.raises(NotFound):
        get_run(runtime, other, run.id)
    with pytest.raises(NotFound):
        cancel_run(runtime, other, run.id)
    assert list_runs(runtime, other).items == ()


async def test_the_notebook_reuses_what_is_fresh(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)

    def look(text: str, data: dict[str, Any]) -> dict[str, str]:
        view = notebook(runtime, owner, pipeline.id, text=text, input_data=data)
        return {cell.step_id: cell.state for cell in view.cells}

    assert look(TEXT, INPUT) == {"first": "never", "second": "never", "both": "never"}
    run = run_cells(runtime, owner, pipeline.id, text=TEXT, input_data=INPUT, mode="stale")
    assert notebook(runtime, owner, pipeline.id, text=TEXT, input_data=INPUT).active_run_id == run.id
    await finish(engine, owner, run)
    assert look(TEXT, INPUT) == {"first": "fresh", "second": "fresh", "both": "fresh"}
    edited = TEXT.replace("List the keywords of", "Give the tags of")
    assert look(edited, INPUT) == {"first": "fresh", "second": "stale", "both": "stale"}
    assert look(TEXT, {"text": "Something else."}) == {"first": "stale", "second": "stale", "both": "stale"}
    again = run_cells(runtime, owner, pipeline.id, text=edited, input_data=INPUT, mode="stale")
    steps = {s.step_id: s.status for s in (await finish(engine, owner, again)).steps}
    assert steps == {"first": "reused", "second": "completed", "both": "completed"}
    assert look(TEXT, INPUT)["second"] == "fresh", "an edit taken back finds its output again"


async def test_one_cell_runs_with_what_it_needs(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    one = run_cells(runtime, owner, pipeline.id, text=TEXT, input_data=INPUT, mode="cell", step_id="first")
    assert {s.step_id: s.status for s in (await finish(engine, owner, one)).steps} == {
        "first": "completed", "second": "skipped", "both": "skipped",
    }  # fmt: skip
    last = run_cells(runtime, owner, pipeline.id, text=TEXT, input_data=INPUT, mode="cell", step_id="both")
    assert {s.step_id: s.status for s in (await finish(engine, owner, last)).steps} == {
        "first": "reused", "second": "completed", "both": "completed",
    }  # fmt: skip
    forced = run_cells(runtime, owner, pipeline.id, text=TEXT, input_data=INPUT, mode="from_here", step_id="first")
    steps = {s.step_id: s.status for s in (await finish(engine, owner, forced)).steps}
    assert steps["first"] == "completed" and steps["second"] == "reused"


async def test_a_failing_step_fails_the_run_and_a_retry_keeps_the_rest(
    runtime: Runtime, owner: Account, engine: Engine
) -> None:
    text = TEXT.replace(
        'template: "{{steps.first.output}} / {{steps.second.output}}"',
        'extract: "length(@)"\n    from: "{{steps.first.output}}"',
    )
    pipeline = create_pipeline(runtime, owner, text)
    run = await finish(engine, owner, start_run(runtime, owner, pipeline.id, INPUT))
    assert run.status == "failed" and run.error is not None and run.error["step_id"] == "both"
    again = await finish(engine, owner, retry_run(runtime, owner, run.id))
    assert again.trigger_type == "retry"
    assert [s.status for s in again.steps] == ["reused", "reused", "failed"]


async def test_a_run_goes_on_from_its_journal(runtime: Runtime, owner: Account, engine: Engine) -> None:
    """A process dies after its claim, with a call in flight: the next one repeats that call and nothing else."""
    pipeline = create_pipeline(runtime, owner, TEXT)
    run = start_run(runtime, owner, pipeline.id, INPUT)
    dead = claims.claim(runtime, run.id, "serve:dead")
    assert dead is not None
    row_id = runtime.ids.new()
    started = StepStarted(StepKey("", "first", 1), row_id, 0, "llm", 1, "demo", "demo", b"mark", 0, False, False, {})
    ended = StepEnded(StepKey("", "first", 1), row_id, 1, "completed", {"raw": "kept", "parsed": "kept"})
    calling = StepStarted(
        StepKey("", "second", 1), runtime.ids.new(), 1, "llm", 1, "demo", "demo", b"other", 0, False, False, {}
    )
    journal.apply(runtime, dead, [started, ended, calling])
    leases.drop_leases_of_dead_servers(runtime)
    after = await finish(engine, owner, run)
    assert after.status == "completed"
    assert after.steps[0].parsed_output == "kept", "a finished step does not run again"
    assert after.steps[1].retry_count == 0 and after.steps[1].status == "completed"
    with pytest.raises(LostLease):
        journal.apply(runtime, dead, [RunEnded("failed")])
    assert get_run(runtime, owner.id, run.id).status == "completed", "a stale writer changes nothing"


async def test_only_one_process_holds_a_run(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    run = start_run(runtime, owner, pipeline.id, INPUT)
    assert claims.claim(runtime, run.id, "serve:one") is not None
    assert claims.claim(runtime, run.id, "serve:two") is None


async def test_what_is_written_after_a_hand_over_is_refused(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    run = start_run(runtime, owner, pipeline.id, INPUT)
    claim = claims.claim(runtime, run.id, "worker:stopping")
    assert claim is not None
    leases.hand_over(runtime, "worker:stopping")
    with pytest.raises(LostLease):
        journal.apply(runtime, claim, [Progress(StepKey("", "first", 1), {"event": "late"})])
    assert run.id in leases.unclaimed_runs(runtime), "nobody holds it"


async def test_a_cancelled_run_stops(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    run = start_run(runtime, owner, pipeline.id, INPUT)
    cancel_run(runtime, owner.id, run.id)
    after = await finish(engine, owner, run)
    assert after.status == "cancelled" and after.error is not None and after.error["code"] == "CANCELLED"
    assert cancel_run(runtime, owner.id, run.id).status == "cancelled"


async def test_runs_do_not_wait_for_each_other(runtime: Runtime, owner: Account, engine: Engine) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    runs = [start_run(runtime, owner, pipeline.id, INPUT) for _ in range(10)]
    await asyncio.gather(*(engine.advance(run.id) for run in runs))
    assert {get_run(runtime, owner.id, run.id).status for run in runs} == {"completed"}
    page = list_runs(runtime, owner.id, limit=4)
    rest = list_runs(runtime, owner.id, limit=10, cursor=page.next_cursor)
    assert len(page.items) == 4 and len(rest.items) == 6 and rest.next_cursor is None
    assert len(list_runs(runtime, owner.id, text="three").items) == 10
    assert list_runs(runtime, owner.id, text="nothing").items == ()


async def test_inputs_are_checked_before_a_run(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    with pytest.raises(InvalidInput):
        start_run(runtime, owner, pipeline.id, {})
    with pytest.raises(InvalidInput):
        start_run(runtime, owner, pipeline.id, {"text": 3})
    assert quote_pipeline(runtime, owner, pipeline.id, INPUT).max_micros == 0


async def test_an_idempotency_key_starts_one_run(runtime: Runtime, owner: Account) -> None:
    pipeline = create_pipeline(runtime, owner, TEXT)
    first = start_run(runtime, owner, pipeline.id, INPUT, idempotency_key="k")
    assert start_run(runtime, owner, pipeline.id, INPUT, idempotency_key="k").id == first.id
    assert start_run(runtime, owner, pipeline.id, INPUT, idempotency_key="other").id != first.id
