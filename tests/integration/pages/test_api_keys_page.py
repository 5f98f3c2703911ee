"""The page of API keys: a key is shown once, right after it was made."""

import pytest
from streamlit.testing.v1 import AppTest

from core.accounts.api_keys import find_key_holder, list_api_keys
from core.accounts.automation import automation_paused_at
from core.pipelines.commands import ensure_example
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of


def open_page() -> AppTest:
    return page_test("pages.account.api_keys", "api_keys_page")


def make(app: AppTest, name: str) -> AppTest:
    app.text_input(key="api-key-name").set_value(name)
    return app.button(key="FormSubmitter:api-key-form-Make key").click().run()


def test_a_key_is_made_shown_once_and_deleted_after_a_question(person: Person) -> None:
    ensure_example(person.runtime, person.account)
    app = open_page()
    assert "No keys yet" in text_of(app)
    make(app, "Nightly import")
    shown = next(block.value for block in app.code if block.value.startswith("sk_live_"))
    holder = find_key_holder(person.runtime, shown)
    assert holder is not None and holder.scopes == {"pipelines:read", "pipelines:execute"}
    assert "Nightly import" in text_of(app) and "not used yet" in text_of(app)
    assert "ends in 90 days" in text_of(app) and "May read pipelines" in text_of(app)
    app.button(key="api-key-copied").click().run()
    assert not any(block.value == shown for block in app.code)
    assert any("curl -X POST" in block.value and "/api/webhooks/" in block.value for block in app.code)

    (key,) = list_api_keys(person.runtime, person.account.id)
    app.button(key=f"delete-{key.id}").click().run()
    assert "cannot be undone" in text_of(app)
    app.button(key="api-key-keep").click().run()
    assert list_api_keys(person.runtime, person.account.id)
    app.button(key=f"delete-{key.id}").click().run()
    app.button(key="api-key-delete").click().run()
    assert not list_api_keys(person.runtime, person.account.id) and not app.exception


def test_an_error_keeps_what_was_typed(person: Person) -> None:
    app = make(open_page(), "  ")
    assert app.error and not list_api_keys(person.runtime, person.account.id)
    app.text_input(key="api-key-name").set_value("Import")
    app.button_group(key="api-key-scopes").set_value([])
    app.button(key="FormSubmitter:api-key-form-Make key").click().run()
    assert "Choose some of the scopes" in app.error[0].value
    assert app.text_input(key="api-key-name").value == "Import"


def test_the_free_plan_is_told_what_would_help(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in_person(sqlite_runtime, monkeypatch, plan="free")
    app = open_page()
    assert "Starter plan" in text_of(app) and not app.text_input


def test_a_cap_is_set_with_the_key_and_changed_beside_it(person: Person) -> None:
    app = open_page()
    app.number_input(key="api-key-cap").set_value(12.5)
    make(app, "Capped")
    (key,) = list_api_keys(person.runtime, person.account.id)
    assert key.max_micros_per_month == 12_500_000
    assert "0 of 12.50 cr this month" in text_of(app)
    assert app.number_input(key="api-key-cap").value is None, "the next key begins without one"
    app.number_input(key=f"api-key-cap-{key.id}-field").set_value(100)
    app.button(key=f"api-key-cap-{key.id}-save").click().run()
    assert list_api_keys(person.runtime, person.account.id)[0].max_micros_per_month == 100_000_000
    assert "0 of 100 cr this month" in text_of(app) and not app.exception


def test_everything_can_be_paused_from_here(person: Person) -> None:
    app = open_page()
    app.button(key="automation-pause").click().run()
    assert "No schedule, API key or webhook starts a run" in text_of(app)
    assert not app.checkbox, "nothing is under way"
    app.button(key="automation-pause-now").click().run()
    assert automation_paused_at(person.runtime, person.account.id) is not None
    assert not [button for button in app.button if button.key == "automation-pause"] and not app.exception
