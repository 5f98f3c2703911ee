"""The notebook page, driven as a person drives it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.profile import update_profile
from core.execution.notebook import notebook, quoted_most
from core.execution.queries import list_runs
from core.pipelines.commands import create_pipeline, save_draft
from core.pipelines.queries import get_pipeline, list_pipelines, list_versions
from pages.ui.starters import STARTERS
from tests.integration.pages.conftest import Person, know_terms, open_shell, text_of, wait_for_end

Open = Callable[..., AppTest]


def _pipeline_id(person: Person) -> str:
    return list_pipelines(person.runtime, person.account.id).items[0].id


def _example_id(person: Person) -> str:
    found = list_pipelines(person.runtime, person.account.id).items
    return next(each.id for each in found if each.name != "Other")


def _run_all(app: AppTest, person: Person) -> AppTest:
    app.button(key="run-primary").click().run()
    run = list_runs(person.runtime, person.account.id).items[0]
    assert wait_for_end(person, run.id) == "completed"
    return app.run()


def test_a_person_without_pipelines_lands_on_the_example(open_app: Open, person: Person) -> None:
    app = open_app()
    assert not app.exception
    said = text_of(app)
    assert "Read a support mail" in said and "triage" in said and "not run" in said
    assert "max 0 cr" in said and "demo model" in said
    assert app.button(key="run-primary").label == "Run all"
    assert app.query_params["pipeline"] == _pipeline_id(person)
    assert "marie.durand@example.org" in app.text_area(key=f"input-{_pipeline_id(person)}-mail").value


def test_opening_twice_makes_one_example(open_app: Open, person: Person) -> None:
    open_app()
    open_app()
    assert len(list_pipelines(person.runtime, person.account.id).items) == 1


def test_a_run_ends_with_its_word_and_outputs(open_app: Open, person: Person) -> None:
    app = _run_all(open_app(), person)
    assert not app.exception
    said = text_of(app)
    assert "Completed" in said and said.count(">fresh<") == 3
    assert "For the billing team" in said
    assert app.button(key="run-primary").label == "Run all"


def test_a_changed_input_makes_the_cells_that_read_it_stale(open_app: Open, person: Person) -> None:
    app = _run_all(open_app(), person)
    app.selectbox(key=f"input-{_pipeline_id(person)}-team").select("sales").run()
    said = text_of(app)
    assert said.count(">fresh<") == 2 and said.count(">stale<") == 1
    assert app.button(key="run-primary").label == "Run 1 stale"


def test_the_open_cell_has_its_settings_and_saves_them_as_a_draft(open_app: Open, person: Person) -> None:
    app = open_app(cell="summary")
    assert not app.exception
    app.number_input(key="set-summary-temperature").set_value(0.5).run()
    pipeline = get_pipeline(person.runtime, person.account.id, _pipeline_id(person))
    assert pipeline.version == 1 and pipeline.draft is not None and "temperature: 0.5" in pipeline.draft.text
    assert "draft of v1" in text_of(app)


def test_renaming_a_step_follows_its_references(open_app: Open, person: Person) -> None:
    app = open_app(cell="summary")
    app.text_input(key="set-summary-id").set_value("gist").run()
    pipeline = get_pipeline(person.runtime, person.account.id, _pipeline_id(person))
    assert pipeline.draft is not None and "{{steps.gist.output}}" in pipeline.draft.text
    assert app.query_params["cell"] == "gist"


def test_a_refused_name_says_why_and_changes_nothing(open_app: Open, person: Person) -> None:
    app = open_app(cell="summary")
    app.text_input(key="set-summary-id").set_value("triage").run()
    assert get_pipeline(person.runtime, person.account.id, _pipeline_id(person)).draft is None
    assert app.error and not app.exception


def test_a_step_can_be_added_and_opens(open_app: Open, person: Person) -> None:
    app = open_app()
    app.button(key="add-llm").click().run()
    assert not app.exception
    assert app.query_params["cell"] == "answer"
    assert "4 cells" in text_of(app)
    assert not app.button(key="run-primary").disabled


def test_cancelling_a_run_says_cancelled(slow_person: Person, open_slow_app: Open) -> None:
    app = open_slow_app()
    app.button(key="run-primary").click().run()
    run = list_runs(slow_person.runtime, slow_person.account.id).items[0]
    app.button(key="cancel-run").click().run()
    assert wait_for_end(slow_person, run.id) == "cancelled"
    app.run()
    assert "Cancelled" in text_of(app) and app.button(key="run-primary").label


def test_an_ended_session_shows_nothing_and_does_nothing(open_app: Open, person: Person) -> None:
    app = open_app(cell="summary")
    person.cookies.clear()
    app.number_input(key="set-summary-temperature").set_value(0.5).run()
    assert "Signed out" in text_of(app) and "triage" not in text_of(app)
    assert get_pipeline(person.runtime, person.account.id, _pipeline_id(person)).draft is None


def test_versions_are_saved_from_the_draft(open_app: Open, person: Person) -> None:
    app = open_app(cell="summary")
    app.number_input(key="set-summary-temperature").set_value(0.5).run()
    app.session_state["navigator-event"] = {"command": "save_version"}
    app.run()
    versions = list_versions(person.runtime, person.account.id, _pipeline_id(person))
    assert [version.number for version in versions] == [2, 1]
    assert "draft of" not in text_of(app)


def test_an_unknown_pipeline_leads_to_an_own_one(open_app: Open, person: Person) -> None:
    app = open_app(pipeline="no-such-pipeline")
    assert not app.exception and "Read a support mail" in text_of(app)


def test_every_view_draws(open_app: Open, person: Person) -> None:
    for view in ("cells", "yaml", "graph", "nonsense"):
        app = open_app(view=view)
        assert not app.exception and not app.error


PAID = {
    "name": "Paid",
    "version": 1,
    "steps": [
        {"id": "first", "type": "llm", "model": "claude-sonnet-4-5", "prompt": "One sentence.", "max_tokens": 1000},
        {"id": "second", "type": "llm", "model": "claude-sonnet-4-5", "prompt": "{{steps.first.output}}"},
    ],
}


def test_a_run_above_the_persons_limit_asks_first(payer: Person) -> None:
    create_pipeline(payer.runtime, payer.account, PAID)
    know_terms(payer)
    update_profile(payer.runtime, payer.account.id, confirm_above_credits=0)
    app = open_shell()
    app.button(key="run-primary").click().run()
    assert not list_runs(payer.runtime, payer.account.id).items
    assert app.button(key="confirm-run").label.startswith("Run for up to ")
    assert "You are asked above 0 cr" in text_of(app)
    app.button(key="confirm-run").click().run()
    assert len(list_runs(payer.runtime, payer.account.id).items) == 1


def test_keys_and_menus_ask_as_well(payer: Person) -> None:
    create_pipeline(payer.runtime, payer.account, PAID)
    know_terms(payer)
    update_profile(payer.runtime, payer.account.id, confirm_above_credits=0)
    app = open_shell()
    app.session_state["navigator-event"] = {"command": "run_stale"}
    app.run()
    assert app.button(key="confirm-run") and not list_runs(payer.runtime, payer.account.id).items
    app = open_shell(cell="first")
    app.session_state["navigator-event"] = {"command": "run_cell"}
    app.run()
    assert app.button(key="confirm-run") and not list_runs(payer.runtime, payer.account.id).items


def test_a_run_below_the_limit_starts_at_once(payer: Person) -> None:
    create_pipeline(payer.runtime, payer.account, PAID)
    know_terms(payer)
    update_profile(payer.runtime, payer.account.id, confirm_above_credits=1_000_000)
    open_shell().button(key="run-primary").click().run()
    assert len(list_runs(payer.runtime, payer.account.id).items) == 1


def test_a_cells_price_has_the_stale_cells_it_needs_in_it(payer: Person) -> None:
    made = create_pipeline(payer.runtime, payer.account, PAID)
    view = notebook(payer.runtime, payer.account, made.id, text=made.text, input_data={})
    first, second = (cell.quote[2] for cell in view.cells)
    assert first > 0 and second > 0
    assert quoted_most(view, "cell", "first") == first
    assert quoted_most(view, "cell", "second") == first + second == quoted_most(view, "all")
    cells = (replace(view.cells[0], state="fresh"), view.cells[1])
    assert quoted_most(replace(view, cells=cells), "cell", "second") == second
    assert quoted_most(replace(view, cells=cells), "cell", "first") == first, "a cell asked for runs again"


def test_the_history_of_a_cell_shows_its_earlier_runs(open_app: Open, person: Person) -> None:
    app = _run_all(open_app(cell="summary"), person)
    _run_all(app, person)
    app = open_app(cell="summary")
    app.session_state["tabs-out-summary"] = "History"
    app.run()
    said = text_of(app)
    runs = list_runs(person.runtime, person.account.id).items
    assert len(runs) == 2 and all(f"run={run.id}&amp;step=summary" in said for run in runs)
    assert "What it left" in said


def test_a_new_model_cell_has_a_limit_that_keeps_its_price_low(open_app: Open, person: Person) -> None:
    app = open_app()
    app.button(key="add-llm").click().run()
    pipeline = get_pipeline(person.runtime, person.account.id, _pipeline_id(person))
    assert pipeline.draft is not None and "max_tokens: 1024" in pipeline.draft.text


@pytest.mark.parametrize("kind", list(STARTERS))
def test_every_step_that_can_be_added_is_valid(kind: str, open_app: Open, person: Person) -> None:
    app = open_app()
    other = {"name": "Other", "version": 1, "steps": [{"id": "a", "type": "transform", "template": "t"}]}
    create_pipeline(person.runtime, person.account, other)
    app = open_app(pipeline=_example_id(person))
    app.button(key=f"add-{kind}").click().run()
    assert not app.exception and "4 cells" in text_of(app)
    assert app.query_params["cell"].startswith(STARTERS[kind].step_id)
    assert not app.button(key="run-primary").disabled


def test_a_draft_with_errors_keeps_its_cells_and_runs_nothing(open_app: Open, person: Person) -> None:
    app = _run_all(open_app(), person)
    pipeline = get_pipeline(person.runtime, person.account.id, _pipeline_id(person))
    broken = pipeline.text.replace("{{steps.summary.output}}", "{{steps.nobody.output}}")
    save_draft(person.runtime, person.account.id, pipeline.id, broken)
    app.run()
    said = text_of(app)
    assert "1 error" in said and "has an error" in said and "For the billing team" in said
    assert app.button(key="run-primary").disabled and app.button(key="run-note").disabled


def test_a_draft_that_is_no_yaml_opens_as_text(open_app: Open, person: Person) -> None:
    open_app()
    save_draft(person.runtime, person.account.id, _pipeline_id(person), "steps: [")
    app = open_app()
    assert not app.exception
    assert "Your text is kept" in text_of(app) and "Kept as a draft" in text_of(app)


def test_the_form_keeps_what_was_typed_across_views(open_app: Open, person: Person) -> None:
    app = open_app()
    key = f"input-{_pipeline_id(person)}-mail"
    app.text_area(key=key).set_value("A mail about delivery").run()
    app.segmented_control(key="view-cells").set_value("yaml").run()
    app.segmented_control(key="view-yaml").set_value("cells").run()
    assert app.text_area(key=key).value == "A mail about delivery"


def test_the_form_opens_with_the_input_of_the_last_run(open_app: Open, person: Person) -> None:
    app = open_app()
    key = f"input-{_pipeline_id(person)}-mail"
    app.text_area(key=key).set_value("Where is my parcel?").run()
    _run_all(app, person)
    assert open_app().text_area(key=key).value == "Where is my parcel?"


def test_an_input_with_a_nul_character_is_refused_with_words(open_app: Open, person: Person) -> None:
    app = open_app()
    app.text_area(key=f"input-{_pipeline_id(person)}-mail").set_value("Hello\0Ada").run()
    app.button(key="run-primary").click().run()
    assert not app.exception
    assert any("`mail` holds a NUL character (U+0000): take it out." in error.value for error in app.error)
    assert not list_runs(person.runtime, person.account.id).items
