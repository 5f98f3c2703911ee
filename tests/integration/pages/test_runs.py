"""The list of runs, one run, and what can be done with it."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from core.execution.commands import cancel_run, retry_runs, run_cells
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


@pytest.fixture
def tried_run(payer: Person) -> RunView:
    """A run whose only step failed twice."""
    step = {"id": "ask", "model": "claude-sonnet-4-5", "prompt": "Say so.", "max_tokens": 10}
    retry = {"retry": {"max_attempts": 2, "backoff_ms": 0}}
    made = create_pipeline(payer.runtime, payer.account, {"name": "Tries twice", "version": 1, "steps": [step | retry]})
    return _run(payer, made.id, {})


def _tab(app: AppTest, step: str, name: str) -> str:
    app.session_state[f"tabs-step-{step}"] = name
    return text_of(app.run())


def test_an_empty_list_teaches(person: Person) -> None:
    assert "Nothing has run yet" in text_of(page_test("pages.workspace.runs", "runs_page"))


def test_the_list_shows_a_run_with_a_link(person: Person, example_run: RunView) -> None:
    said = text_of(page_test("pages.workspace.runs", "runs_page"))
    assert "Completed" in said and "Read a support mail" in said and "By hand" in said
    assert f"run?run={example_run.id}" in said and "0 cr" in said


def test_filters_are_in_the_address(person: Person, example_run: RunView, failed_run: RunView) -> None:
    app = page_test("pages.workspace.runs", "runs_page")
    app.selectbox(key="runs-status").select("failed").run()
    assert app.query_params["status"] == "failed"
    assert failed_run.id in text_of(app) and example_run.id not in text_of(app)
    by_name = text_of(page_test("pages.workspace.runs", "runs_page", text="support"))
    assert example_run.id in by_name and failed_run.id not in by_name
    assert "No run fits" in text_of(page_test("pages.workspace.runs", "runs_page", text="nothing like it"))


def test_what_the_filters_show_can_be_downloaded(person: Person, example_run: RunView, failed_run: RunView) -> None:
    def links(**query: str) -> list[str]:
        app = page_test("pages.workspace.runs", "runs_page", **query)
        return re.findall(r'href="(/api/runs/export[^"]*)"', text_of(app))

    assert links() == ["/api/runs/export?format=csv", "/api/runs/export?format=ndjson"]
    filtered = f"format=csv&amp;pipeline_id={failed_run.pipeline_id}&amp;status=failed&amp;text=reads"
    assert links(status="failed", pipeline=failed_run.pipeline_id or "", text="reads")[0].endswith(filtered)
    assert links(status="waiting") == [], "there is nothing to download"
    app = page_test("pages.workspace.runs", "runs_page")
    app.selectbox(key="runs-period").select(7).run()
    assert re.search(r"format=csv&amp;since=20\d\d-\d\d-\d\dT\d\d%3A", text_of(app)) and not app.exception


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
    assert [button.key for button in app.button] == ["run-fork"]


def test_a_step_of_a_run_opens_from_the_address(person: Person, example_run: RunView) -> None:
    app = page_test("pages.workspace.run_detail", "run_page", run=example_run.id, step="summary")
    assert [tab.label for tab in app.tabs] == ["Output", "Prompt sent", "Raw", "Trace", "Attempts"]
    assert "invoice 2214" in text_of(app)
    assert "Summarise this mail" in _tab(app, "summary", "Prompt sent")
    assert "invoice 2214" in _tab(app, "summary", "Raw")
    trace = _tab(app, "summary", "Trace")
    assert "running" in trace and "completed" in trace and "attempt 1" in trace
    assert "attempt=1" in _tab(app, "summary", "Attempts")


def test_the_failed_step_opens_first(person: Person, failed_run: RunView) -> None:
    assert failed_run.status == "failed"
    app = page_test("pages.workspace.run_detail", "run_page", run=failed_run.id)
    assert not app.exception
    said = text_of(app)
    assert '<h2 class="sq-id">number</h2>' in said and said.count("is not JSON") == 1, "said once, where it happened"
    assert "Failed in number" in text_of(
        page_test("pages.workspace.run_detail", "run_page", run=failed_run.id, step="-")
    )
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


def test_runs_under_way_are_on_top(slow_person: Person) -> None:
    person = slow_person
    pipeline_id = ensure_example(person.runtime, person.account)
    text = get_pipeline(person.runtime, person.account.id, pipeline_id).text
    first = run_cells(person.runtime, person.account, pipeline_id, text=text, input_data=MAIL, mode="all")
    ended = run_cells(person.runtime, person.account, pipeline_id, text=text, input_data=MAIL, mode="all")
    cancel_run(person.runtime, person.account.id, ended.id)
    assert wait_for_end(person, ended.id) == "cancelled"
    said = text_of(page_test("pages.workspace.runs", "runs_page"))
    assert "Under way" in said and said.index(first.id) < said.index(ended.id), "though it is older"
    assert first.id not in text_of(page_test("pages.workspace.runs", "runs_page", status="cancelled"))
    cancel_run(person.runtime, person.account.id, first.id)
    wait_for_end(person, first.id)


def test_failed_runs_are_retried_together_after_a_choice(
    person: Person, example_run: RunView, failed_run: RunView
) -> None:
    second = _run(person, str(failed_run.pipeline_id), {"text": "nor here"})
    app = page_test("pages.workspace.runs", "runs_page")
    assert app.button(key="runs-retry").label == "Retry 2 failed runs…"
    app.button(key="runs-retry").click().run()
    assert app.button(key="retry-go").label == "Retry 2 runs for up to 0 cr"
    app.multiselect(key="retry-choice").unselect(failed_run.id)
    app.button(key="retry-go").click().run()
    newest, *others = list_runs(person.runtime, person.account.id).items
    assert newest.trigger_type == "retry" and len(others) == 3
    wait_for_end(person, newest.id)
    assert get_run(person.runtime, person.account.id, newest.id).input_data == second.input_data


def test_a_refused_retry_does_not_stop_the_others(person: Person, failed_run: RunView) -> None:
    done = retry_runs(person.runtime, person.account, ["no-such-run", failed_run.id])
    assert len(done.started) == 1
    ((refused, why),) = done.refused
    assert refused == "no-such-run" and why.startswith("There is no such run")
    wait_for_end(person, done.started[0])


def test_an_earlier_attempt_can_be_chosen(tried_run: RunView) -> None:
    said = text_of(page_test("pages.workspace.run_detail", "run_page", run=tried_run.id))
    assert "Failed after 2 attempts" in said
    assert 'aria-current="false">Attempt 1' in said and 'aria-current="true">Attempt 2' in said
    said = text_of(page_test("pages.workspace.run_detail", "run_page", run=tried_run.id, step="ask", attempt="1"))
    assert 'aria-current="true">Attempt 1' in said and "Failed after" not in said and "<b>Failed</b>" in said


def test_two_runs_are_compared_by_what_differs(person: Person, example_run: RunView) -> None:
    other = _run(person, str(example_run.pipeline_id), MAIL | {"team": "sales"})
    app = page_test("pages.workspace.run_detail", "run_page", run=other.id, compare=example_run.id)
    assert not app.exception
    said = text_of(app)
    assert "2 steps made the same and are not shown." in said
    assert "For the sales team" in said and "For the billing team" in said and '<span class="sq-id">triage' not in said
    app = page_test("pages.workspace.run_detail", "run_page", run=other.id, compare="no-such-run")
    assert not app.exception and "sq-fall" in text_of(app)
