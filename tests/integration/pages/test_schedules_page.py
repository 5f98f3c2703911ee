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


def make(app: AppTest, pipeline: str, name: str, who: str) -> AppTest:
    app.text_input(key="schedule-name").set_value(name)
    app.text_area(key=f"input-schedule-{pipeline}-name").set_value(who)
    return app.button(key="schedule-make").click().run()


def test_a_schedule_is_made_switched_and_deleted(person: Person, pipeline: str) -> None:
    app = open_page()
    assert "No schedules yet" in text_of(app) and "At 09:00 every day" in text_of(app)
    app.selectbox(key="schedule-often").set_value("Every Monday at nine")
    app.selectbox(key="schedule-zone").set_value("Europe/Paris").run()
    assert "At 09:00 on Monday" in text_of(app) and "Europe/Paris" in text_of(app)
    make(app, pipeline, "Mondays", "Ada")
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
    app = make(open_page(), pipeline, "Mondays", "")
    assert "`name` is required" in app.error[0].value and app.text_input(key="schedule-name").value == "Mondays"
    app.selectbox(key="schedule-often").set_value("Another time").run()
    app.text_input(key="schedule-cron").set_value("99 9 * * *").run()
    assert "no cron expression" in text_of(app)
    make(app, pipeline, "Mondays", "Ada")
    assert "no cron expression" in app.error[0].value
    assert not list_schedules(person.runtime, person.account.id) and not app.exception


def test_inputs_are_given_by_their_types(person: Person, pipeline: str) -> None:
    fields = {
        "team": {"type": "string", "enum": ["billing", "technical"], "default": "billing"},
        "limit": {"type": "integer", "default": 3},
        "share": {"type": "number"},
        "strict": {"type": "boolean"},
        "note": {"type": "string"},
        "list": {"type": "string", "file": True},
    }
    names = "".join("{{#if input." + name + "}}x{{/if}}" for name in fields)
    source = {**GREETING, "name": "Typed", "input": {"schema": fields}}
    source["steps"] = [{"id": "greet", "type": "transform", "template": names}]
    typed = create_pipeline(person.runtime, person.account, source).id
    app = open_page()
    app.selectbox(key="schedule-pipeline").set_value(typed).run()
    place = f"input-schedule-{typed}"
    app.selectbox(key=f"{place}-team").set_value("technical")
    app.toggle(key=f"{place}-strict").set_value(True)
    app.number_input(key=f"{place}-share").set_value(0.5).run()
    assert "Or choose" in text_of(app) or "CSV" in text_of(app), "a file can be given"
    app.text_input(key="schedule-name").set_value("Typed")
    app.button(key="schedule-make").click().run()
    (made,) = list_schedules(person.runtime, person.account.id)
    assert made.input_data == {"team": "technical", "limit": 3, "share": 0.5, "strict": True} and not app.exception


def test_the_free_plan_is_told_what_would_help(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in_person(sqlite_runtime, monkeypatch, plan="free")
    assert "Starter plan" in text_of(open_page())
