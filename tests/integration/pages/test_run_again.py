"""Running a run again from a step, with pinned outputs and other inputs; paused runs; failed items; skipped steps."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.execution.commands import start_run
from core.execution.domain import RunView
from core.execution.queries import get_run, list_runs, run_status
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import Person, open_shell, page_test, sign_in_person, text_of, wait_for_end
from tests.support.server import poll_until
from tests.support.vendor_stub import StubServer

TOP = {"input": {"schema": {"text": {"type": "string", "required": True}}}}
STEPS = [
    {"id": "a", "model": "demo", "prompt": "Summarise: {{input.text}}"},
    {"id": "b", "model": "demo", "prompt": "List the keywords of: {{steps.a.output}}"},
]
GIVEN = {"text": "Bees make honey. Bees live in hives."}


def run_of(person: Person, steps: list[dict[str, Any]], given: dict[str, Any] | None = None, **top: Any) -> RunView:
    source = {"name": "Again", "version": 1, **top, "steps": steps}
    made = create_pipeline(person.runtime, person.account, source)
    run = start_run(person.runtime, person.account, made.id, given or {})
    wait_for_end(person, run.id)
    return get_run(person.runtime, person.account.id, run.id)


def opened(run: RunView, **query: str) -> AppTest:
    app = page_test("pages.workspace.run_detail", "run_page", run=run.id, **query)
    assert not app.exception
    return app


def newest(person: Person) -> RunView:
    run_id = list_runs(person.runtime, person.account.id).items[0].id
    wait_for_end(person, run_id)
    return get_run(person.runtime, person.account.id, run_id)


def test_running_again_says_what_it_reuses_and_does_so(person: Person) -> None:
    run = run_of(person, STEPS, GIVEN, **TOP)
    app = opened(run, step="b")
    app.button(key="step-fork").click().run()
    said = text_of(app)
    assert "1 output, 0 cr not spent again" in said and app.selectbox(key="fork-from").value == "b"
    app.button(key="fork-go").click().run()
    again = newest(person)
    assert again.id != run.id and [step.status for step in again.steps] == ["reused", "completed"]
    assert app.query_params["run"] == again.id
    assert "1 output reused (0 cr)" in text_of(opened(again))


def test_an_edited_input_is_told_before_it_is_sent(person: Person) -> None:
    run = run_of(person, STEPS, GIVEN, **TOP)
    app = opened(run)
    app.button(key="run-fork").click().run()
    assert "2 outputs" in text_of(app)
    app.text_area(key=f"input-fork-{run.id}-text").set_value("Cats sleep. Cats purr.")
    app.session_state["dialog"] = ("fork", {})  # a whole rerun closes what a browser keeps open
    app.run()
    assert "Reused" not in text_of(app) and "2 steps" in text_of(app)
    app.button(key="fork-go").click().run()
    assert newest(person).input_data == {"text": "Cats sleep. Cats purr."}


def test_a_pinned_output_stands_in(person: Person) -> None:
    run = run_of(person, STEPS, GIVEN, **TOP)
    app = opened(run, step="a")
    app.button(key="step-pin").click().run()
    app.text_area(key="pin-a").set_value("Dogs bark.")
    app.button(key="pin-use").click().run()
    assert ">pinned<" in text_of(app)
    app.button(key="run-fork").click().run()
    assert "stands in as you wrote it" in text_of(app)
    app.button(key="fork-go").click().run()
    again = newest(person)
    assert again.steps[0].parsed_output == "Dogs bark." and again.steps[0].status == "reused"
    assert again.steps[1].status == "completed" and "bark" in str(again.steps[1].prompt_sent)


def test_a_pin_can_be_let_go(person: Person) -> None:
    run = run_of(person, STEPS, GIVEN, **TOP)
    app = opened(run, step="a")
    app.button(key="step-pin").click().run()
    app.button(key="pin-use").click().run()
    app.button(key="step-unpin").click().run()
    assert ">pinned<" not in text_of(app) and app.button(key="step-pin")


def test_the_notebook_runs_on_from_an_edited_output(person: Person) -> None:
    run = run_of(person, STEPS, GIVEN, **TOP)
    app = open_shell(pipeline=str(run.pipeline_id))
    app.session_state["dialog"] = ("pin", {"step_id": "a"})
    app.run()
    assert app.text_area(key="pin-a").value == run.steps[0].parsed_output
    app.text_area(key="pin-a").set_value("Dogs bark.")
    app.button(key="pin-use").click().run()
    again = newest(person)
    assert [step.status for step in again.steps] == ["reused", "completed"] and "bark" in str(
        again.steps[1].prompt_sent
    )


def test_failed_items_are_listed_and_only_they_are_repeated(person: Person) -> None:
    steps = [
        {"id": "list", "type": "transform", "template": '["1", "x"]', "output_format": "json"},
        {
            "id": "each", "type": "map", "foreach": "{{steps.list.output}}",
            "steps": [{"id": "number", "type": "transform", "template": "{{item}}", "output_format": "json"}],
        },
    ]  # fmt: skip
    run = run_of(person, steps)
    app = opened(run)
    said = text_of(app)
    assert "1 of 2 items failed" in said and '<td class="sq-num">2</td>' in said
    app.button(key="step-retry-items").click().run()
    assert newest(person).trigger_type == "retry"


def test_skipped_steps_say_why(person: Person) -> None:
    steps = [
        {"id": "check", "type": "condition", "if": "false", "else": "last"},
        {"id": "over", "type": "transform", "template": "t"},
        {"id": "last", "type": "transform", "template": "t"},
    ]
    run = run_of(person, steps)
    said = text_of(opened(run, step="over"))
    assert (
        "Skipped: check went on elsewhere." in said and '<span class="sq-why">check went on elsewhere.</span>' in said
    )
    assert "false → last" in said


@pytest.fixture
def paid(runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ada, where a vendor answers and costs credits."""
    with StubServer() as vendor:
        runtime = runtime_with(anthropic_api_key="sk-ant-test", anthropic_base_url=vendor.url)
        yield sign_in_person(runtime, monkeypatch, plan="starter")


def test_a_paused_run_says_why_and_goes_on_when_asked(paid: Person) -> None:
    step = {"id": "say", "model": "claude-sonnet-4-5", "prompt": "Say hello", "max_tokens": 50}
    budget = {"max_credits": 0.001, "on_exceed": "pause"}
    made = create_pipeline(
        paid.runtime, paid.account, {"name": "Costly", "version": 1, "budget": budget, "steps": [step]}
    )
    run_id = start_run(paid.runtime, paid.account, made.id, {}).id
    poll_until(lambda: run_status(paid.runtime, paid.account.id, run_id) == "waiting", 20, "it was not paused")
    run = get_run(paid.runtime, paid.account.id, run_id)
    assert run.over_budget
    app = opened(run)
    said = text_of(app)
    assert "Paused by its budget of 0.001 cr." in said and "lifts the budget for this run only" in said
    app.button(key="run-continue").click().run()
    assert wait_for_end(paid, run_id) == "completed"
    assert "Paused by its budget" not in text_of(opened(get_run(paid.runtime, paid.account.id, run_id)))


def test_deliveries_stand_below_the_run(person: Person) -> None:
    run = run_of(person, [STEPS[0]], GIVEN, **TOP, output={"deliver": [{"type": "file", "path": "out/{{input.text}}"}]})
    said = text_of(opened(run))
    assert "1 delivery" in said and "out/Bees make honey." in said and "result" in said
