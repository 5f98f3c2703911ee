"""A vendor that fails is said where its models are used, with what to do, and asked about once in 30 seconds."""

import pytest

from core.execution.commands import start_run
from core.execution.schedules import create_schedule
from core.pipelines.commands import archive_pipeline, create_pipeline
from pages.ui import vendor_notice
from tests.integration.pages.conftest import Person, page_test, text_of, wait_for_end
from tests.integration.test_query_plans import statements_of

SAID = "Anthropic is having trouble:</b> 6 of 6 calls failed in the last 10 minutes."


def _asks(person: Person, model: str) -> str:
    step = {"id": "ask", "model": model, "prompt": "Say so.", "max_tokens": 10}
    return create_pipeline(person.runtime, person.account, {"name": "Asks", "version": 1, "steps": [step]}).id


@pytest.fixture
def failed(payer: Person) -> tuple[str, str]:
    """A pipeline whose vendor refuses every connection, and the last of its six runs."""
    pipeline = _asks(payer, "claude-sonnet-4-5")
    run_id = ""
    for _ in range(6):
        run_id = start_run(payer.runtime, payer.account, pipeline, {}).id
        assert wait_for_end(payer, run_id) == "failed"
    return pipeline, run_id


def test_it_is_said_where_the_vendor_is_used(payer: Person, failed: tuple[str, str]) -> None:
    pipeline, run_id = failed
    notebook = text_of(page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline))
    assert SAID in notebook and "fallback model" in notebook
    run = text_of(page_test("pages.workspace.run_detail", "run_page", run=run_id))
    assert SAID in run and "Retry what failed later" in run
    assert SAID not in text_of(page_test("pages.workspace.schedules", "schedules_page")), "nothing is scheduled"
    made = create_schedule(
        payer.runtime, payer.account, pipeline, name="Mondays", cron_expression="0 9 * * 1", timezone="UTC",
        input_data={}, enabled=True, missed="skip",
    )  # fmt: skip
    assert made.enabled and SAID in text_of(page_test("pages.workspace.schedules", "schedules_page"))
    archive_pipeline(payer.runtime, payer.account.id, pipeline)
    schedules = page_test("pages.workspace.schedules", "schedules_page")
    assert SAID not in text_of(schedules) and not schedules.exception


def test_it_is_not_said_where_another_model_is_used(payer: Person, failed: tuple[str, str]) -> None:
    other = _asks(payer, "demo")
    assert "is having trouble" not in text_of(page_test("pages.workspace.notebook", "notebook_page", pipeline=other))


def test_it_is_asked_once_in_a_while(payer: Person, failed: tuple[str, str]) -> None:
    vendor_notice._troubles.clear()  # type: ignore[attr-defined]
    asked = statements_of(payer.runtime, lambda: [vendor_notice.troubles(payer.runtime) for _ in range(3)])
    assert len([statement for statement, _ in asked if "step_runs" in statement]) == 1
