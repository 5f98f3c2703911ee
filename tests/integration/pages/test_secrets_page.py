"""The page of secrets: a value is typed once and never shown again."""

from streamlit.testing.v1 import AppTest

from core.accounts.commands import set_secret
from core.accounts.queries import list_secrets, secret_values
from core.pipelines.commands import ensure_example
from tests.integration.pages.conftest import Person, page_test, text_of

VALUE = "sk-canary-9f3e2b71"


def open_page(**query: str) -> AppTest:
    return page_test("pages.account.secrets", "secrets_page", **query)


def save(app: AppTest, name: str, value: str) -> AppTest:
    app.text_input(key="secret-name").set_value(name)
    app.text_input(key="secret-value").set_value(value)
    return app.button(key="FormSubmitter:secret-new-Save secret").click().run()


def everything(app: AppTest) -> str:
    return text_of(app) + repr([element.value for element in app.text_input]) + str(app.main)


def test_a_secret_is_saved_replaced_and_deleted_after_a_question(person: Person) -> None:
    owner_id = person.account.id
    app = open_page()
    assert "No secrets yet" in text_of(app) and "{{env.WEATHER_KEY}}" in text_of(app)
    assert app.text_input(key="secret-value").proto.type == app.text_input(key="secret-value").proto.PASSWORD
    save(app, " API_KEY ", VALUE)
    assert secret_values(person.runtime, owner_id) == {"API_KEY": VALUE}
    assert "{{env.API_KEY}}" in text_of(app) and VALUE not in everything(app)
    assert app.text_input(key="secret-name").value == "" == app.text_input(key="secret-value").value

    app.text_input(key="secret-value--API_KEY").set_value("another value")
    app.button(key="replace-go-API_KEY").click().run()
    assert secret_values(person.runtime, owner_id) == {"API_KEY": "another value"}
    assert "replaced" in text_of(app) and "another value" not in everything(app)

    app.button(key="delete-API_KEY").click().run()
    assert secret_values(person.runtime, owner_id), "asked before it is deleted"
    assert "cannot be undone" in text_of(app)
    app.button(key="secret-keep").click().run()
    assert secret_values(person.runtime, owner_id)
    app.button(key="delete-API_KEY").click().run()
    app.button(key="secret-delete").click().run()
    assert not list_secrets(person.runtime, owner_id) and not app.exception


def test_an_error_keeps_what_was_typed(person: Person) -> None:
    app = save(open_page(), "not a name", VALUE)
    assert app.error and VALUE not in app.error[0].value
    assert app.text_input(key="secret-name").value == "not a name"
    assert app.text_input(key="secret-value").value == VALUE
    save(app, "KEY", "abc")
    assert "at least 4 characters" in app.error[0].value
    save(app, "KEY", VALUE)
    assert not app.error and secret_values(person.runtime, person.account.id) == {"KEY": VALUE}
    save(app, "KEY", "typed by mistake")
    assert "already" in app.error[0].value
    assert secret_values(person.runtime, person.account.id) == {"KEY": VALUE}, "never replaced unasked"


def test_the_scope_is_in_the_address_and_bound_to_the_owner(person: Person) -> None:
    pipeline_id, owner_id = ensure_example(person.runtime, person.account), person.account.id
    set_secret(person.runtime, owner_id, "SHARED", "for all pipelines")
    app = open_page()
    app.selectbox(key="secrets-scope").set_value(pipeline_id).run()
    assert app.query_params["pipeline"] in (pipeline_id, [pipeline_id])
    assert "from all pipelines" in text_of(app) and "{{env.SHARED}}" in text_of(app)
    save(app, "HERE", VALUE)
    assert secret_values(person.runtime, owner_id) == {"SHARED": "for all pipelines"}
    assert secret_values(person.runtime, owner_id, pipeline_id)["HERE"] == VALUE

    again = open_page(pipeline=pipeline_id)
    assert again.selectbox(key="secrets-scope").value == pipeline_id and "{{env.HERE}}" in text_of(again)
    unknown = open_page(pipeline="somebody-elses")
    assert unknown.selectbox(key="secrets-scope").value == "" and "{{env.HERE}}" not in text_of(unknown)
