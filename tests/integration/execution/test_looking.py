"""What the pages ask of a run: how far its maps are, which items failed, what was sent, what a fork would reuse."""

from typing import Any

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution import claims, journal
from core.execution import notebook as looking
from core.execution.changes import RunEnded
from core.execution.commands import fork_run, retry_run, start_run
from core.execution.delivery_queries import deliveries_of_run
from core.execution.domain import MapProgress
from core.execution.engine import Engine, run_to_end
from core.execution.forks import preview_fork
from core.execution.items import failed_items
from core.execution.live import live_news
from core.execution.models import DeliveryAttemptRow
from core.execution.notebook import notebook
from core.execution.queries import get_run
from core.execution.review_queries import count_open_reviews, list_reviews, reviews_of_run
from core.execution.reviews import decide_review
from core.pipelines.commands import create_pipeline
from core.pipelines.definition import Definition
from core.pipelines.queries import get_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import NotFound
from tests.conftest import PASSWORD
from tests.integration.execution.conftest import Execute

ITEMS = {"id": "list", "type": "transform", "template": '["1", "x", "3", "y"]', "output_format": "json"}
NUMBER = {"id": "number", "type": "transform", "template": "{{item}}", "output_format": "json"}
ASK = {"id": "ask", "type": "human_review", "message": "Is {{item}} good?"}


def each(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "each", "type": "map", "foreach": "{{steps.list.output}}", "steps": list(steps), **more}


@pytest.mark.parametrize("light", [True, False], ids=["in batches", "one by one"])
async def test_failed_items_are_listed_with_their_errors(
    light: bool, runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    # A step that waits for a name of its own is not worked out in batches.
    inner = NUMBER if light else {**NUMBER, "needs": ["first"]}
    first = [] if light else [{"id": "first", "type": "transform", "template": "t"}]
    run = await execute([ITEMS, each(*first, inner)])
    assert run.status == "failed" and run.error is not None and run.error["code"] == "ITEMS_FAILED"
    found = failed_items(runtime, owner.id, run.id, "each")
    assert [item.number for item in found] == [2, 4] and all("JSON" in item.message for item in found)
    assert found[0].step_id == ("each" if light else "number")
    assert live_news(runtime, run.id).progress["each"] == MapProgress(4, 4, 2)
    other = create_account(runtime, email="other@example.org", password=PASSWORD)
    assert failed_items(runtime, other.id, run.id, "each") == ()
    assert failed_items(runtime, owner.id, run.id, "ea") == (), "only the items of this very step"


async def test_items_that_were_repaired_are_not_listed_any_more(
    runtime: Runtime, owner: Account, engine: Engine, execute: Execute
) -> None:
    run = await execute([ITEMS, each(NUMBER)])
    again = retry_run(runtime, owner, run.id)
    await run_to_end(engine, again.id)
    assert [item.number for item in failed_items(runtime, owner.id, again.id, "each")] == [2, 4]


async def test_each_item_asks_for_itself(runtime: Runtime, owner: Account, engine: Engine, execute: Execute) -> None:
    run = await execute([ITEMS, each(ASK)])
    waiting = reviews_of_run(runtime, owner.id, run.id)
    assert len(waiting) == 4 == count_open_reviews(runtime, owner.id)
    newest_first = list_reviews(runtime, owner.id).items
    # The newest is decided first, and the others can still be answered.
    for review in newest_first:
        decide_review(runtime, owner, run.id, "ask", "approve", review_id=review.id)
    assert count_open_reviews(runtime, owner.id) == 0
    with pytest.raises(NotFound):
        decide_review(runtime, owner, run.id, "ask", "approve", review_id="no such review")
    await run_to_end(engine, run.id)
    assert get_run(runtime, owner.id, run.id).status == "completed"


async def test_a_reviewer_judges_what_was_made_and_not_what_was_decided(
    runtime: Runtime, owner: Account, execute: Execute
) -> None:
    steps = [
        {"id": "draft", "type": "transform", "template": "A draft"},
        {"id": "check", "type": "condition", "if": "true", "else": "end"},
        {"id": "ask", "type": "human_review", "message": "Good?"},
    ]
    run = await execute(steps)
    assert reviews_of_run(runtime, owner.id, run.id)[0].output == "A draft"


async def test_deliveries_are_shown_with_every_attempt(runtime: Runtime, owner: Account, execute: Execute) -> None:
    targets = [
        {"type": "email", "to": ["ada@example.org", "bob@example.org"], "subject": "Done"},
        {"type": "file", "path": "out/{{steps.list.output}}.txt"},
    ]
    run = await execute([{**ITEMS, "template": "day", "output_format": "text"}], output={"deliver": targets})
    mail, file = deliveries_of_run(runtime, owner.id, run.id)
    assert (mail.kind, mail.target, mail.where) == ("email", "deliver.0", "ada@example.org, bob@example.org")
    assert (file.kind, file.target, file.where) == ("file", "deliver.1", "out/day.txt")
    # An attempt, as a receiver that is down leaves it.
    now = runtime.clock.now()
    with runtime.database.write() as session:
        answer = {"http_status": 503, "error_code": "HTTP_STATUS", "duration_ms": 12, "at": now}
        session.add(DeliveryAttemptRow(delivery_id=file.id, number=9, **answer))
    last = deliveries_of_run(runtime, owner.id, run.id)[1].attempts[-1]
    assert (last.number, last.http_status, last.error_code) == (9, 503, "HTTP_STATUS")
    assert last.duration_ms == 12 and last.at == now
    other = create_account(runtime, email="other@example.org", password=PASSWORD)
    assert deliveries_of_run(runtime, other.id, run.id) == ()


TOP = {"input": {"schema": {"text": {"type": "string"}, "tone": {"type": "string", "default": "calm"}}}}
FORKED: list[dict[str, Any]] = [
    {"id": "a", "model": "demo", "prompt": "Summarise: {{input.text}}"},
    {"id": "b", "model": "demo", "prompt": "List the keywords of: {{steps.a.output}}"},
    {
        "id": "both",
        "type": "parallel",
        "steps": [{"id": "c", "model": "demo", "prompt": "In a {{input.tone}} tone: x"}],
    },
    {"id": "join", "type": "transform", "template": "{{steps.b.output}} {{steps.c.output}}"},
]
GIVEN = {"text": "Bees make honey. Bees live in hives.", "tone": "calm"}


@pytest.mark.parametrize(
    ("from_step", "changes", "pinned"),
    [
        (None, {}, {}),
        ("b", {}, {}),
        (None, {"tone": "loud"}, {}),
        (None, {"text": "Cats sleep. Cats purr."}, {}),
        (None, {}, {"a": "Pinned."}),
    ],
)
async def test_what_a_fork_is_said_to_reuse_is_what_it_reuses(
    from_step: str | None,
    changes: dict[str, Any],
    pinned: dict[str, Any],
    runtime: Runtime,
    owner: Account,
    engine: Engine,
    execute: Execute,
) -> None:
    run = await execute(FORKED, GIVEN, **TOP)
    definition = Definition.model_validate(run.definition)
    given = {**run.input_data, **changes}
    said = preview_fork(run, definition, from_step, input_data=given, pinned=pinned)
    made = fork_run(
        runtime, owner, str(run.pipeline_id), run.id, from_step, input_data=given, pinned=pinned, trigger="manual"
    )
    await run_to_end(engine, made.id)
    after = {step.step_id: step.status for step in get_run(runtime, owner.id, made.id).steps}
    held = {name for name in definition.step_ids if after[name] == "reused"}
    # A `parallel` is gone into, and each step in it stands for itself.
    held |= {"both"} if after["c"] == "reused" else set()
    assert set(said.reused) | set(said.pinned) == held and set(said.pinned) == set(pinned)
    assert set(said.executed) == set(definition.step_ids) - held


async def test_the_notebook_knows_the_cells_inside_a_parallel_step(
    runtime: Runtime, owner: Account, execute: Execute
) -> None:
    run = await execute(FORKED, GIVEN, **TOP)
    text = get_pipeline(runtime, owner.id, str(run.pipeline_id)).text
    fresh = notebook(runtime, owner, str(run.pipeline_id), text=text, input_data=GIVEN)
    assert [(cell.step_id, cell.state) for cell in fresh.inner] == [("c", "fresh")]
    stale = notebook(runtime, owner, str(run.pipeline_id), text=text, input_data={**GIVEN, "tone": "loud"})
    assert [cell.state for cell in stale.inner] == ["stale"]
    assert stale.inner[0].step_run is not None and stale.inner[0].step_run.parsed_output
    never = notebook(runtime, owner, str(run.pipeline_id), text=text.replace("id: c", "id: d"), input_data=GIVEN)
    assert never.errors and not never.inner


async def test_a_run_that_ends_while_the_notebook_looks_is_not_shown_as_running_for_good(
    runtime: Runtime, owner: Account, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"name": "One", "version": 1, "steps": [{"id": "a", "type": "transform", "template": "x"}]}
    pipeline = create_pipeline(runtime, owner, source)
    run = start_run(runtime, owner, pipeline.id, {})
    look_up = looking.active_run_id

    def ends_first(*args: str) -> str | None:
        claim = claims.claim(runtime, run.id, "serve:other")
        assert claim is not None
        journal.apply(runtime, claim, [RunEnded("completed")])
        return look_up(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(looking, "active_run_id", ends_first)
    seen = notebook(runtime, owner, pipeline.id, text=pipeline.text, input_data={})
    assert seen.last_run is not None
    assert seen.active_run_id is not None or seen.last_run.status == "completed"
