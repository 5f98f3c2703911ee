"""Looking back at runs, on both databases."""

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.execution.commands import run_cells
from core.execution.domain import FINAL
from core.execution.history import cell_runs, trace
from core.execution.queries import list_runs, run_status
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import NotFound
from tests.conftest import PASSWORD
from tests.support.server import poll_until

SOURCE = {
    "name": "Two steps",
    "version": 1,
    "input": {"schema": {"text": {"type": "string", "required": True}}},
    "steps": [
        {"id": "copy", "type": "transform", "template": "{{input.text}}"},
        {"id": "read", "type": "transform", "template": "{{steps.copy.output}}", "output_format": "json"},
    ],
}


@pytest.fixture
def runs(runtime: Runtime, owner: Account) -> tuple[str, list[str]]:
    """A pipeline with a run that completed and one that failed after it."""
    runtime.dispatcher.start()
    made = create_pipeline(runtime, owner, SOURCE)
    ids = []
    for text in ("[1]", "no JSON"):
        data = {"text": text}
        run = run_cells(runtime, owner, made.id, text=made.text, input_data=data, mode="all")
        poll_until(lambda run=run: run_status(runtime, owner.id, run.id) in FINAL, 20, "the run did not end")
        ids.append(run.id)
    return made.id, ids


def test_the_runs_of_a_cell_are_its_own_newest_first(
    runtime: Runtime, owner: Account, runs: tuple[str, list[str]]
) -> None:
    pipeline_id, (first, second) = runs
    found = cell_runs(runtime, owner.id, pipeline_id, "read")
    assert [(run.run_id, run.status, run.output) for run in found] == [
        (second, "failed", None),
        (first, "completed", [1]),
    ]
    assert [run.output for run in cell_runs(runtime, owner.id, pipeline_id, "copy")] == ["no JSON", "[1]"]
    assert found[0].error is not None and found[0].error["code"] == "NOT_JSON"
    assert [run.run_id for run in cell_runs(runtime, owner.id, pipeline_id, "read", limit=1)] == [second]
    other = create_account(runtime, email="bob@example.org", password=PASSWORD)
    assert cell_runs(runtime, other.id, pipeline_id, "read") == ()


def test_the_trace_is_in_order_and_for_its_owner_only(
    runtime: Runtime, owner: Account, runs: tuple[str, list[str]]
) -> None:
    _, (first, second) = runs
    assert [event.data["status"] for event in trace(runtime, owner.id, first)][-1] == "completed"
    failed = trace(runtime, owner.id, second, "read")
    assert {event.step_id for event in failed} == {"read"} and failed[-1].data["error_code"] == "NOT_JSON"
    other = create_account(runtime, email="bob@example.org", password=PASSWORD)
    with pytest.raises(NotFound):
        trace(runtime, other.id, first)


def test_runs_under_way_and_ended_ones_are_listed_apart(
    runtime: Runtime, owner: Account, runs: tuple[str, list[str]]
) -> None:
    assert list_runs(runtime, owner.id, active=True).items == ()
    assert len(list_runs(runtime, owner.id, active=False).items) == 2
