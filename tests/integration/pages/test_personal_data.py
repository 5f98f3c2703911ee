"""Personal data in prompts, on the pages: told once before it is sent, marked for its person, chosen per pipeline."""

from core.accounts.profile import update_profile
from core.accounts.queries import get_account
from core.execution.queries import list_runs
from core.pipelines.commands import create_pipeline
from core.pipelines.personal_data import choose_screening, own_screenings
from tests.integration.pages.conftest import Person, know_terms, page_test, text_of, wait_for_end

PROMPT = "Write to ada@example.org and call 06 12 34 56 78 <now>"
FOUND = "1 e-mail address and 1 phone number"


def _pipeline(person: Person, model: str = "claude-sonnet-4-5") -> str:
    step = {"id": "ask", "model": model, "prompt": PROMPT, "max_tokens": 10}
    return create_pipeline(person.runtime, person.account, {"name": "Asks", "version": 1, "steps": [step]}).id


def _runs(person: Person) -> int:
    return len(list_runs(person.runtime, person.account.id).items)


def test_it_is_told_marked_before_a_run_and_once(payer: Person) -> None:
    know_terms(payer)
    app = page_test("pages.workspace.notebook", "notebook_page", pipeline=_pipeline(payer))
    assert f"<b>{FOUND}</b> would be sent to Anthropic" in text_of(app)
    app.button(key="run-primary").click().run()
    said = text_of(app)
    assert _runs(payer) == 0 and "before. These are its terms" not in said
    assert '<mark title="e-mail address">ada@example.org</mark>' in said and "&lt;now&gt;" in said
    app.button(key="before-run").click().run()
    assert _runs(payer) == 1
    (run,) = list_runs(payer.runtime, payer.account.id).items
    wait_for_end(payer, run.id)
    app.run().button(key="run-primary").click().run()
    assert _runs(payer) == 2, "told once in a browser session"


def test_terms_and_personal_data_are_one_click(payer: Person) -> None:
    app = page_test("pages.workspace.notebook", "notebook_page", pipeline=_pipeline(payer))
    app.button(key="run-primary").click().run()
    assert "Anthropic has not received anything" in text_of(app) and "<mark" in text_of(app)
    app.button(key="before-run").click().run()
    assert _runs(payer) == 1


def test_the_demo_model_is_told_nothing_about(payer: Person) -> None:
    app = page_test("pages.workspace.notebook", "notebook_page", pipeline=_pipeline(payer, "demo"))
    assert "would be sent to" not in text_of(app)
    app.button(key="run-primary").click().run()
    assert _runs(payer) == 1


def test_masked_and_blocked_it_asks_nothing_and_says_so(payer: Person) -> None:
    know_terms(payer)
    pipeline = _pipeline(payer)
    for mode, says in (("mask", "gets placeholders"), ("block", "blocks personal data"), ("off", "")):
        choose_screening(payer.runtime, payer.account.id, pipeline, mode)
        app = page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline)
        assert says in text_of(app) and (FOUND in text_of(app)) == bool(says)
    app.button(key="run-primary").click().run()
    assert _runs(payer) == 1


def test_a_pipeline_chooses_in_its_settings(payer: Person) -> None:
    pipeline = _pipeline(payer)
    app = page_test("pages.workspace.notebook", "notebook_page", pipeline=pipeline)
    app.session_state["dialog"] = ("settings", {})
    app.run()
    assert app.selectbox(key="settings-screening").options[0] == "As in my preferences: warn me"
    app.selectbox(key="settings-screening").select("mask")
    app.button(key="settings-save").click()
    app.session_state["dialog"] = ("settings", {})  # a browser keeps it open
    app.run()
    assert own_screenings(payer.runtime, payer.account.id, {pipeline}) == {pipeline: "mask"}


def test_a_person_chooses_for_all_pipelines(person: Person) -> None:
    page = page_test("pages.account.preferences", "preferences_page")
    page.radio(key="preferences-screening-choice").set_value("mask").run()
    assert get_account(person.runtime, person.account.id).personal_data == "mask"
    assert "Names, postal addresses" in text_of(page)
    update_profile(person.runtime, person.account.id, personal_data="warn")
