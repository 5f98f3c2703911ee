"""The page of schedules: made with a few choices, switched off and on, deleted after a question."""

import pytest
from streamlit.testing.v1 import AppTest

from core.execution.schedules import list_schedules
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of

GREETING = {
    "name": "Greeting",
    "version": 1,
    "input": {"schema": {"name": {"type": "string", "required": True}}},
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}


@pytest.fixture
def pipeline(person: Person) -> str:
    return create_pipeline(person.runtime, person.account, GREETING).id


def open_page() -> AppTest:
    return page_test("pages.workspace.schedules", "schedules_page")


def make(app: AppTest, pipeline: str, name: str, inputs: str) -> AppTest:
    app.text_input(key="schedule-name").set_value(name)
    app.text_area(key=f"schedule-inputs-{pipeline}").set_value(inputs)
    return app.button(key="schedule-make").click().run()


def test_a_schedule_is_made_switched_and_deleted(person: Person, pipeline: str) -> None:
    app = open_page()
    assert "No schedules yet" in text_of(app) and "At 09:00 every day" in text_of(app)
    app.selectbox(key="schedule-often").set_value("Every Monday at nine")
    app.selectbox(key="schedule-zone").set_value("Europe/Paris").run()
    assert "At 09:00 on Monday" in text_of(app) and "Europe/Paris" in text_of(app)
    make(app, pipeline, "Mondays", '{"name": "Ada"}')
    (made,) = list_schedules(person.runtime, person.account.id)
    assert (made.name, made.cron_expression, made.timezone) == ("Mondays", "0 9 * * 1", "Europe/Paris")
    assert made.input_data == {"name": "Ada"} and made.enabled
    assert "Coming up" in text_of(app) and "not run yet" in text_of(app)

    app.button(key=f"schedule-switch-{made.id}").click().run()
    assert not list_schedules(person.runtime, person.account.id)[0].enabled and "Coming up" not in text_of(app)
    app.button(key=f"schedule-switch-{made.id}").click().run()
    assert list_schedules(person.runtime, person.account.id)[0].enabled

    app.button(key=f"schedule-delete-{made.id}").click().run()
    assert "starts no more runs" in text_of(app)
    app.button(key="schedule-keep").click().run()
    assert list_schedules(person.runtime, person.account.id)
    app.button(key=f"schedule-delete-{made.id}").click().run()
    app.button(key="schedule-gone").click().run()
    assert not list_schedules(person.runtime, person.account.id) and not app.exception


def test_what_is_wrong_is_said_and_what_was_typed_stays(person: Person, pipeline: str) -> None:
    app = make(open_page(), pipeline, "Mondays", "{name}")
    assert "not JSON" in app.error[0].value
    make(app, pipeline, "Mondays", "{}")
    assert app.error and app.text_input(key="schedule-name").value == "Mondays"
    app.selectbox(key="schedule-often").set_value("Another time").run()
    app.text_input(key="schedule-cron").set_value("99 9 * * *").run()
    assert "no cron expression" in text_of(app)
    make(app, pipeline, "Mondays", '{"name": "Ada"}')
    assert "no cron expression" in app.error[0].value
    assert not list_schedules(person.runtime, person.account.id) and not app.exception


def test_the_free_plan_is_told_what_would_help(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in_person(sqlite_runtime, monkeypatch, plan="free")
    assert "Starter plan" in text_of(open_page())


def test_a_schedule_of_a_definition_is_shown_and_changed_there(person: Person) -> None:
    scheduled = {**GREETING, "input": {"schema": {"name": {"type": "string", "default": "Ada"}}}}
    made = create_pipeline(person.runtime, person.account, {**scheduled, "schedule": {"cron": "0 9 * * 1"}})
    app = open_page()
    said = text_of(app)
    assert "from the definition" in said and "At 09:00 on Monday" in said and "Coming up" in said
    assert f"?pipeline={made.id}" in said
    keys = {button.key for button in app.button}
    assert f"schedule-delete-{made.id}" not in keys and f"schedule-switch-{made.id}" not in keys
