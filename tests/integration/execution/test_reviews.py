"""A run that waits for a person: it holds nothing, and goes on with the answer."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution import leases
from core.execution.commands import cancel_run
from core.execution.engine import Engine, run_to_end
from core.execution.queries import events_after, get_run
from core.execution.review_mail import make_review_link
from core.execution.review_queries import list_reviews, reviews_of_run
from core.execution.reviews import decide_by_link, decide_due_reviews, decide_review, review_of_link
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput, NotFound
from tests.conftest import PASSWORD
from tests.integration.execution.conftest import Execute


def steps(**review: Any) -> list[dict[str, Any]]:
    return [
        {"id": "draft", "type": "transform", "template": "A draft"},
        {"id": "ask", "type": "human_review", "message": "Is {{steps.draft.output}} good?", **review},
        {
            "id": "check",
            "type": "condition",
            "if": "steps.ask.output.decision == 'approve'",
            "else": "end",
        },
        {"id": "use", "type": "transform", "template": "Used: {{steps.ask.output.output}}"},
    ]


async def test_a_review_lets_the_run_go_and_an_answer_takes_it_on(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute(steps(editable=True))
    assert run.status == "waiting" and [step.status for step in run.steps] == [
        "completed", "waiting", "pending", "pending",
    ]  # fmt: skip
    assert not engine.active and run.id not in leases.unclaimed_runs(runtime), "nobody holds it or looks for it"
    (open_one,) = list_reviews(runtime, owner.id).items
    assert (open_one.message, open_one.output, open_one.editable) == ("Is A draft good?", "A draft", True)
    decided = decide_review(runtime, owner, run.id, "ask", "approve", output="A better draft", comment="shorter")
    assert decided.decided_by == owner.id and decided.comment == "shorter"
    assert get_run(runtime, owner.id, run.id).status == "pending"
    await run_to_end(engine, run.id)
    after = get_run(runtime, owner.id, run.id)
    assert after.status == "completed" and after.output_data == "Used: A better draft"
    with pytest.raises(Conflict):
        decide_review(runtime, owner, run.id, "ask", "reject")
    told = [event.data["status"] for event in events_after(runtime, run.id, 0) if event.kind == "run_status"]
    assert told == ["running", "waiting", "completed"]


async def test_a_rejection_sends_control_back_as_often_as_its_rule_allows(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    back = {"if": "steps.ask.output.decision == 'reject'", "goto": "draft", "max_loops": 2}
    run = await execute([*steps(on_condition=[back])[:2], {"id": "over", "type": "transform", "template": "over"}])
    for asked in (1, 2, 3):
        assert len(reviews_of_run(runtime, owner.id, run.id)) == asked
        decide_review(runtime, owner, run.id, "ask", "reject")
        await run_to_end(engine, run.id)
    assert get_run(runtime, owner.id, run.id).status == "completed", "after two times back control goes on"


async def test_a_rule_that_cannot_be_read_fails_the_run_at_its_step(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute(steps(on_condition=[{"if": "int(steps.ask.output.comment) == 1", "goto": "end"}])[:2])
    decide_review(runtime, owner, run.id, "ask", "approve")
    await run_to_end(engine, run.id)
    error = get_run(runtime, owner.id, run.id).error
    assert error is not None and error["step_id"] == "ask"


async def test_a_rejection_is_an_answer_that_conditions_read(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute(steps())
    with pytest.raises(InvalidInput):
        decide_review(runtime, owner, run.id, "ask", "approve", output="edited")
    decide_review(runtime, owner, run.id, "ask", "reject", comment="no")
    await run_to_end(engine, run.id)
    after = get_run(runtime, owner.id, run.id)
    assert after.status == "completed" and [step.status for step in after.steps][-1] == "skipped"


async def test_somebody_else_cannot_decide(runtime: Runtime, owner: Account, execute: Execute) -> None:
    run = await execute(steps())
    other = create_account(runtime, email="other@example.org", password=PASSWORD)
    with pytest.raises(NotFound):
        decide_review(runtime, other, run.id, "ask", "approve")
    assert reviews_of_run(runtime, other.id, run.id) == ()


async def test_silence_decides_when_the_time_is_over(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute(steps(timeout_hours=1, on_timeout="approve"))
    now = runtime.clock.now()
    assert decide_due_reviews(runtime, now + timedelta(minutes=59)) == 0
    assert decide_due_reviews(runtime, now + timedelta(minutes=61)) == 1
    assert decide_due_reviews(runtime, now + timedelta(minutes=61)) == 0
    await run_to_end(engine, run.id)
    assert get_run(runtime, owner.id, run.id).output_data == "Used: A draft"
    assert reviews_of_run(runtime, owner.id, run.id)[0].decided_by == "timeout"


async def test_a_link_works_once(runtime: Runtime, owner: Account, execute: Execute) -> None:
    run = await execute(steps())
    (review,) = reviews_of_run(runtime, owner.id, run.id)
    with runtime.database.write() as session:
        token = make_review_link(session, review.id)
    assert review_of_link(runtime, token).message == review.message
    assert decide_by_link(runtime, token, "approve").decided_by == "link"
    for again in (token, token[:-1]):
        with pytest.raises(NotFound):
            decide_by_link(runtime, again, "approve")


async def test_a_cancelled_run_asks_no_more(runtime: Runtime, owner: Account, engine: Engine, execute: Execute) -> None:
    run = await execute(steps())
    cancel_run(runtime, owner.id, run.id)
    await run_to_end(engine, run.id)
    after = get_run(runtime, owner.id, run.id)
    assert after.status == "cancelled" and after.steps[1].status == "failed"
    assert reviews_of_run(runtime, owner.id, run.id)[0].status == "closed"


async def test_a_decision_made_while_the_run_is_busy_elsewhere_is_not_lost(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    """Between the question and the parking another step may be under way: the answer must count all the same."""
    pair = [
        {"id": "ask", "type": "human_review", "message": "Good?"},
        {"id": "slow", "type": "llm", "model": "demo", "prompt": "Summarise: bees make honey. " * 40},
    ]
    from core.execution.commands import start_run
    from core.pipelines.commands import create_pipeline

    source = {"name": "Both", "version": 1, "steps": [{"id": "both", "type": "parallel", "steps": pair}]}
    run = start_run(runtime, owner, create_pipeline(runtime, owner, source).id, {})
    running = asyncio.create_task(run_to_end(engine, run.id))
    while not reviews_of_run(runtime, owner.id, run.id):
        await asyncio.sleep(0.005)
    decide_review(runtime, owner, run.id, "ask", "approve")
    await running
    after = get_run(runtime, owner.id, run.id)
    assert after.status == "completed", (after.status, after.error)
