"""Runs by day and slowest steps: of one person, of the days asked for, on both databases."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import select, update

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import cancel_run, start_run
from core.execution.engine import Engine, run_to_end
from core.execution.models import RunRow, StepRunRow
from core.execution.usage_days import RunDay, runs_by_day, slowest_steps
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.conftest import PASSWORD

STEPS = [
    {"id": "quick", "type": "transform", "template": "x"},
    {"id": "slow", "type": "transform", "template": "{{steps.quick.output}}"},
    {"id": "fails", "type": "code", "language": "python", "source": "output = 1 if input['ok'] else 1 // 0"},
]
DEFINITION: dict[str, Any] = {
    "name": "Days",
    "version": 1,
    "input": {"schema": {"ok": {"type": "boolean"}}},
    "steps": STEPS,
}


async def made(runtime: Runtime, owner: Account, *, ok: bool = True, days_ago: int = 0, slow_ms: int = 0) -> str:
    """A run that ended, some days ago, with a step that took so long."""
    with runtime.database.read() as session:
        found = session.scalar(select(RunRow.pipeline_id).where(RunRow.owner_id == owner.id))
    run = start_run(runtime, owner, found or create_pipeline(runtime, owner, DEFINITION).id, {"ok": ok})
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run.id)
    engine.close()
    back = timedelta(days=days_ago)
    with runtime.database.write() as session:
        row = session.get_one(RunRow, run.id)
        row.created_at -= back
        for step in session.scalars(select(StepRunRow).where(StepRunRow.run_id == run.id)):
            took = timedelta(milliseconds=slow_ms if step.step_id == "slow" else 1)
            step.completed_at = step.started_at + took
    return run.id


def today(runtime: Runtime) -> date:
    return runtime.clock.now().date()


async def test_each_day_counts_what_ended_on_it_and_nobody_elses(runtime: Runtime, owner: Account) -> None:
    eve = create_account(runtime, email="eve@example.org", password=PASSWORD)
    await made(runtime, owner)
    await made(runtime, owner, ok=False)
    await made(runtime, owner, days_ago=2)
    await made(runtime, owner, days_ago=30)
    await made(runtime, eve)
    now = today(runtime)
    waiting = start_run(runtime, owner, create_pipeline(runtime, owner, DEFINITION).id, {"ok": True})
    assert runs_by_day(runtime, owner.id, now - timedelta(days=2), now) == (
        RunDay(now - timedelta(days=2), completed=1),
        RunDay(now - timedelta(days=1)),
        RunDay(now, completed=1, failed=1),
    )
    cancel_run(runtime, owner.id, waiting.id)
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, waiting.id)
    engine.close()
    (day,) = runs_by_day(runtime, owner.id, now, now)
    assert (day.cancelled, day.ended) == (1, 3)


async def test_the_slowest_steps_are_those_that_usually_take_long(runtime: Runtime, owner: Account) -> None:
    eve = create_account(runtime, email="eve@example.org", password=PASSWORD)
    for took in (100, 300, 5000):
        longest = await made(runtime, owner, slow_ms=took)
    await made(runtime, owner, slow_ms=99_000, days_ago=20)
    await made(runtime, eve, slow_ms=90_000)
    first = today(runtime) - timedelta(days=6)
    slow, *rest = slowest_steps(runtime, owner.id, first, today(runtime))
    assert (slow.step_id, slow.times, slow.median_ms, slow.longest_ms) == ("slow", 3, 300, 5000)
    assert (slow.longest_run_id, slow.type) == (longest, "transform")
    assert {each.step_id for each in rest} == {"quick", "fails"}
    assert slowest_steps(runtime, owner.id, first, today(runtime), limit=1) == (slow,)


async def test_what_a_person_took_is_not_slow(runtime: Runtime, owner: Account) -> None:
    await made(runtime, owner, slow_ms=700)
    with runtime.database.write() as session:
        session.execute(update(StepRunRow).where(StepRunRow.step_id == "slow").values(type="human_review"))
    found = slowest_steps(runtime, owner.id, today(runtime), today(runtime))
    assert {each.step_id for each in found} == {"quick", "fails"}


def test_days_without_runs_are_days_too(runtime: Runtime, owner: Account) -> None:
    now, later = today(runtime), today(runtime) + timedelta(days=1)
    assert runs_by_day(runtime, owner.id, now, later) == (RunDay(now), RunDay(later))
    assert slowest_steps(runtime, owner.id, now, now) == ()
