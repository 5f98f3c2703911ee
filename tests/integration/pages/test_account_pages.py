"""Pipelines, keys, usage, the operators' page, and who may see what."""

from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.accounts.queries import find_account, list_own_keys
from core.bootstrap import set_runtime
from core.credits.queries import balance
from core.pipelines.commands import ensure_example
from core.pipelines.queries import list_pipelines
from core.platform.runtime import Runtime
from tests.integration.pages.conftest import SHELL, Person, page_test, sign_in_person, text_of

SECRET = "sk-ant-" + "x" * 40 + "WXYZ"


def test_a_new_pipeline_is_made_and_opens(person: Person) -> None:
    app = page_test("pages.workspace.pipelines", "pipelines_page")
    assert "No pipelines yet" in text_of(app)
    app.text_input(key="pipelines-name").set_value("Weekly digest")
    app.button(key="pipelines-create").click().run()
    assert [made.name for made in list_pipelines(person.runtime, person.account.id).items] == ["Weekly digest"]


def test_the_list_links_to_the_notebook(person: Person) -> None:
    pipeline_id = ensure_example(person.runtime, person.account)
    assert f"?pipeline={pipeline_id}" in text_of(page_test("pages.workspace.pipelines", "pipelines_page"))


def test_a_key_is_saved_shown_by_its_end_and_deleted(person: Person) -> None:
    app = page_test("pages.account.keys", "keys_page")
    app.text_input(key="secret-anthropic").set_value(SECRET)
    app.button(key="FormSubmitter:add-anthropic-Save key").click().run()
    assert [key.provider for key in list_own_keys(person.runtime, person.account.id)] == ["anthropic"]
    said = text_of(app)
    assert "WXYZ" in said and SECRET not in said
    app.button(key="delete-anthropic").click().run()
    assert not list_own_keys(person.runtime, person.account.id)


def test_a_key_for_a_gateway_shows_its_host(
    runtime_with: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = sign_in_person(runtime_with(outbound_allowlist="127.0.0.1"), monkeypatch)
    for address, said in (("http://10.0.0.1/v1", "private address"), ("http://127.0.0.1:8443/v1", "127.0.0.1:8443")):
        app = page_test("pages.account.keys", "keys_page")
        app.text_input(key="secret-openai").set_value(SECRET)
        app.text_input(key="address-openai").set_value(address)
        app.button(key="FormSubmitter:add-openai-Save key").click().run()
        assert said in text_of(app) + "".join(error.value for error in app.error)
        assert len(list_own_keys(person.runtime, person.account.id)) == (said != "private address")
    assert text_of(app).count("Works in") == 1, "the provider's terms are not its gateway's"
    set_runtime(None)


def test_the_confirm_limit_is_the_persons_own(person: Person) -> None:
    app = page_test("pages.account.preferences", "preferences_page")
    assert app.number_input(key="preferences-limit").value == 25
    app.number_input(key="preferences-limit").set_value(2.5).run()
    assert not app.exception
    found = find_account(person.runtime, "ada@example.org")
    assert found is not None and found.confirm_above_micros == 2_500_000
    app = page_test("pages.account.preferences", "preferences_page")
    assert app.number_input(key="preferences-limit").value == 2.5


def test_whose_keys_runs_use_is_the_persons_choice(person: Person) -> None:
    app = page_test("pages.account.preferences", "preferences_page")
    assert app.radio(key="preferences-funding-choice").value == "own_first"
    app.radio(key="preferences-funding-choice").set_value("own_only").run()
    assert not app.exception and "only my own keys" in "".join(each.value for each in [*app.success, *app.toast])
    found = find_account(person.runtime, "ada@example.org")
    assert found is not None and found.funding == "own_only"
    app = page_test("pages.account.preferences", "preferences_page")
    assert app.radio(key="preferences-funding-choice").value == "own_only"


def test_usage_shows_the_plan_and_what_is_left(person: Person) -> None:
    app = page_test("pages.account.usage", "usage_page")
    assert "Enterprise plan" in text_of(app)
    assert {metric.label: metric.value for metric in app.metric}["Left"] == "Unlimited"


def test_the_overview_counts_people_for_admins(admin: Person) -> None:
    app = page_test("admin.overview", "overview_page")
    assert {metric.label: metric.value for metric in app.metric} == {
        "People": "1", "Admins": "1", "Runs under way": "0", "Mails waiting": "0",
    }  # fmt: skip


def test_the_overview_is_closed_to_others(person: Person) -> None:
    app = page_test("admin.overview", "overview_page")
    assert app.error and not app.metric


def test_every_page_is_closed_without_a_session(person: Person) -> None:
    person.cookies.clear()
    pages = [
        ("pages.workspace.notebook", "notebook_page"),
        ("pages.workspace.pipelines", "pipelines_page"),
        ("pages.workspace.runs", "runs_page"),
        ("pages.workspace.run_detail", "run_page"),
        ("pages.account.keys", "keys_page"),
        ("pages.account.preferences", "preferences_page"),
        ("pages.account.secrets", "secrets_page"),
        ("pages.account.usage", "usage_page"),
        ("admin.overview", "overview_page"),
    ]
    for module, function in pages:
        app = page_test(module, function)
        assert not app.exception and "Signed out" in text_of(app), module
        assert not app.button and not app.metric and not app.text_input, module


def test_an_error_on_a_page_has_a_reference_and_no_content(person: Person) -> None:
    def script() -> None:
        from pages.ui.notices import error_boundary

        with error_boundary():
            raise ValueError("the prompt of a person")

    app = AppTest.from_function(script).run()
    assert not app.exception
    assert "reference" in app.error[0].value and "the prompt of a person" not in app.error[0].value
    assert st.get_option("client.showErrorDetails") == "none"


def test_a_new_person_sees_their_credits_before_the_first_run(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = sign_in_person(sqlite_runtime, monkeypatch, plan="free")
    app = AppTest.from_file(str(SHELL), default_timeout=20).run()
    assert "100 cr of 100 cr left" in text_of(app)
    assert balance(person.runtime, person.account).granted_micros == 100_000_000
    set_runtime(None)
