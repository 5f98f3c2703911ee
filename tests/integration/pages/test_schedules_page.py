"""The page of schedules: made with a few choices, switched off and on, deleted after a question."""

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.automation import automation_paused_at, pause_automation
from core.execution.commands import start_run
from core.execution.domain import Starter
from core.execution.models import RunRow, ScheduleRow
from core.execution.schedules import create_schedule, list_schedules
from core.pipelines.commands import archive_pipeline, create_pipeline, unarchive_pipeline
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of, wait_for_end

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
    assert re.search(r"Mon \d+ \w{3}, 09:00", text_of(app)), "as the schedule's own clock shows it"

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


def test_a_schedule_of_a_definition_is_shown_and_changed_there(person: Person) -> None:
    scheduled = {**GREETING, "input": {"schema": {"name": {"type": "string", "default": "Ada"}}}}
    made = create_pipeline(person.runtime, person.account, {**scheduled, "schedule": {"cron": "0 9 * * 1"}})
    app = open_page()
    said = text_of(app)
    assert "from the definition" in said and "At 09:00 on Monday" in said and "Coming up" in said
    assert f"?pipeline={made.id}" in said
    keys = {button.key for button in app.button}
    assert f"schedule-delete-{made.id}" not in keys and f"schedule-switch-{made.id}" not in keys


def test_a_cap_is_set_shown_and_changed(person: Person, pipeline: str) -> None:
    app = open_page()
    app.number_input(key="schedule-cap").set_value(100)
    make(app, pipeline, "Mondays", '{"name": "Ada"}')
    (made,) = list_schedules(person.runtime, person.account.id)
    assert made.max_micros_per_month == 100_000_000
    starter = Starter("schedule", made.id)
    run = start_run(person.runtime, person.account, pipeline, {"name": "Ada"}, starter=starter)
    wait_for_end(person, run.id)
    with person.runtime.database.write() as session:
        session.get_one(RunRow, run.id).reserved_micros = 12_400_000
        session.get_one(ScheduleRow, made.id).last_error_code = "CAP_REACHED"
    app.run()
    said = text_of(app)
    assert "12.40 of 100 cr this month" in said and "width:12%" in said
    assert "its cap was used up" in said and "goes on by itself" in said
    app.number_input(key=f"schedule-cap-{made.id}-field").set_value(12)
    app.button(key=f"schedule-cap-{made.id}-save").click().run()
    assert list_schedules(person.runtime, person.account.id)[0].max_micros_per_month == 12_000_000
    assert "sq-full" in text_of(app) and not app.exception


def test_pausing_asks_about_the_runs_under_way(person: Person) -> None:
    waits = {"name": "Waits", "steps": [{"id": "ask", "type": "human_review", "message": "Well?"}]}
    pipeline_id = create_pipeline(person.runtime, person.account, waits).id
    made = create_schedule(person.runtime, person.account, pipeline_id, name="x", cron_expression="0 9 * * *")
    run = start_run(person.runtime, person.account, pipeline_id, {}, starter=Starter("schedule", made.id))
    app = open_page()
    app.button(key="automation-pause").click().run()
    assert app.checkbox(key="pause-stop-runs").label == "Also stop the 1 run under way that automation started"
    app.session_state["dialog"] = ("pause-automation", {})
    app.checkbox(key="pause-stop-runs").check().run()
    app.button(key="automation-pause-now").click().run()
    assert automation_paused_at(person.runtime, person.account.id) is not None
    assert wait_for_end(person, run.id) == "cancelled" and not app.exception


def test_a_banner_on_every_page_says_so_and_resumes(person: Person, open_app: Callable[..., AppTest]) -> None:
    app = open_app()
    assert "Automation is paused" not in text_of(app)
    pause_automation(person.runtime, person.account.id)
    app.run()
    assert "Automation is paused" in text_of(app) and "What you start yourself still runs" in text_of(app)
    app.button(key="automation-resume").click().run()
    assert automation_paused_at(person.runtime, person.account.id) is None
    assert "Automation is paused" not in text_of(app) and not app.exception


def test_a_schedule_of_an_archived_pipeline_rests_and_goes_on_with_it(person: Person, pipeline: str) -> None:
    made = create_schedule(
        person.runtime, person.account, pipeline, name="Mondays", cron_expression="0 9 * * 1", input_data={"name": "A"}
    )
    archive_pipeline(person.runtime, person.account.id, pipeline)
    app = open_page()
    said = text_of(app)
    assert "rests" in said and "goes on when that is restored" in said and "Coming up" not in said
    assert "next " not in said.split("Mondays")[1]
    unarchive_pipeline(person.runtime, person.account, pipeline)
    said = text_of(open_page())
    assert "Coming up" in said and "goes on when" not in said
    archive_pipeline(person.runtime, person.account.id, pipeline)
    app = open_page()
    app.button(key=f"schedule-switch-{made.id}").click().run()
    assert not list_schedules(person.runtime, person.account.id)[0].enabled
    assert not [each for each in app.button if each.key == f"schedule-switch-{made.id}"] and not app.exception
