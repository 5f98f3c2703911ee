"""The list of runs, one run, and what can be done with it."""

import pytest

from core.execution.commands import cancel_run, run_cells
from core.execution.domain import RunView
from core.execution.queries import get_run, list_runs
from core.pipelines.commands import create_pipeline, ensure_example
from core.pipelines.queries import get_pipeline
from tests.integration.pages.conftest import Person, page_test, text_of, wait_for_end

MAIL = {"mail": "I was charged twice for invoice 2214. This is urgent!", "team": "billing"}


def _run(person: Person, pipeline_id: str, data: dict[str, str]) -> RunView:
    text = get_pipeline(person.runtime, person.account.id, pipeline_id).text
    run = run_cells(person.runtime, person.account, pipeline_id, text=text, input_data=data, mode="all")
    wait_for_end(person, run.id)
    return get_run(person.runtime, person.account.id, run.id)


@pytest.fixture
def example_run(person: Person) -> RunView:
    """A completed run of the example."""
    return _run(person, ensure_example(person.runtime, person.account), MAIL)


@pytest.fixture
def failed_run(person: Person) -> RunView:
    """A run whose second step cannot read what it gets."""
    source = {
        "name": "Reads JSON",
        "version": 1,
        "input": {"schema": {"text": {"type": "string", "required": True}}},
        "steps": [
            {"id": "copy", "type": "transform", "template": "{{input.text}}"},
            {"id": "number", "type": "transform", "template": "{{steps.copy.output}}", "output_format": "json"},
        ],
    }
    made = create_pipeline(person.runtime, person.account, source)
    return _run(person, made.id, {"text": "no JSON here"})


def test_an_empty_list_teaches(person: Person) -> None:
    assert "Nothing has run yet" in text_of(page_test("pages.workspace.runs", "runs_page"))


def test_the_list_shows_a_run_with_a_link(person: Person, example_run: RunView) -> None:
    said = text_of(page_test("pages.workspace.runs", "runs_page"))
    assert "Completed" in said and "Read a support mail" in said and "manual" in said
    assert f"run?run={example_run.id}" in said and "0 cr" in said


def test_filters_are_in_the_address(person: Person, example_run: RunView, failed_run: RunView) -> None:
    app = page_test("pages.workspace.runs", "runs_page")
    app.selectbox(key="runs-status").select("failed").run()
    assert app.query_params["status"] == "failed"
    assert failed_run.id in text_of(app) and example_run.id not in text_of(app)
    by_name = text_of(page_test("pages.workspace.runs", "runs_page", text="support"))
    assert example_run.id in by_name and failed_run.id not in by_name
    assert "No run fits" in text_of(page_test("pages.workspace.runs", "runs_page", text="nothing like it"))


def test_older_runs_are_a_link_away(
    person: Person, example_run: RunView, failed_run: RunView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.workspace.runs.PAGE_SIZE", 1)
    first = text_of(page_test("pages.workspace.runs", "runs_page"))
    assert failed_run.id in first and "Older" in first and f"after={failed_run.id}" in first
    second = text_of(page_test("pages.workspace.runs", "runs_page", after=failed_run.id))
    assert f"run?run={example_run.id}" in second and "Newest" in second


def test_a_completed_run_shows_its_output_and_time_line(person: Person, example_run: RunView) -> None:
    app = page_test("pages.workspace.run_detail", "run_page", run=example_run.id)
    assert not app.exception
    said = text_of(app)
    assert "Completed" in said and "For the billing team" in said and "sq-fall" in said
    assert not app.button


def test_a_step_of_a_run_opens_from_the_address(person: Person, example_run: RunView) -> None:
    app = page_test("pages.workspace.run_detail", "run_page", run=example_run.id, step="summary")
    said = text_of(app)
    assert [tab.label for tab in app.tabs] == ["Output", "Prompt sent", "Raw", "Attempts"]
    assert "Summarise this mail" in said and "invoice 2214" in said


def test_the_failed_step_opens_first(person: Person, failed_run: RunView) -> None:
    assert failed_run.status == "failed"
    app = page_test("pages.workspace.run_detail", "run_page", run=failed_run.id)
    assert not app.exception
    said = text_of(app)
    assert "Failed in number" in said and '<span class="sq-id">number</span>' in said
    assert app.button(key="run-retry").label == "Retry from failed"


def test_a_retry_reuses_what_had_completed(person: Person, failed_run: RunView) -> None:
    app = page_test("pages.workspace.run_detail", "run_page", run=failed_run.id)
    app.button(key="run-retry").click().run()
    newest = list_runs(person.runtime, person.account.id).items[0]
    assert newest.id != failed_run.id and app.query_params["run"] == newest.id
    wait_for_end(person, newest.id)
    steps = get_run(person.runtime, person.account.id, newest.id).steps
    assert [step.status for step in steps] == ["reused", "failed"]


def test_somebody_elses_run_is_not_shown(person: Person) -> None:
    app = page_test("pages.workspace.run_detail", "run_page", run="01a2084e-034a-740e-be25-000000000000")
    assert app.exception, "outside the shell's boundary the refusal is raised"
    assert "Read a support mail" not in text_of(app)


def test_a_running_run_can_be_cancelled(slow_person: Person) -> None:
    person = slow_person
    pipeline_id = ensure_example(person.runtime, person.account)
    text = get_pipeline(person.runtime, person.account.id, pipeline_id).text
    run = run_cells(person.runtime, person.account, pipeline_id, text=text, input_data=MAIL, mode="all")
    app = page_test("pages.workspace.run_detail", "run_page", run=run.id)
    app.button(key="run-cancel").click().run()
    assert wait_for_end(person, run.id) == "cancelled"
    assert cancel_run(person.runtime, person.account.id, run.id).status == "cancelled"
    app = page_test("pages.workspace.run_detail", "run_page", run=run.id)
    assert "Cancelled" in text_of(app) and app.button(key="run-retry").label == "Go on"
