"""My data: what is held, the six rights, and requests with their time line."""

from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from core.accounts.domain import SessionView
from core.accounts.queries import find_session, get_account
from core.accounts.standing import standing_of
from core.privacy.asking import ask
from core.privacy.domain import Details
from core.privacy.queries import get_request, list_requests
from tests.integration.pages.conftest import Person, page_test, text_of


def open_page(**query: str) -> AppTest:
    return page_test("pages.account.my_data", "my_data_page", **query)


def view_of(person: Person) -> SessionView:
    view = find_session(person.runtime, person.token)
    assert view is not None
    return view


def mine(person: Person) -> list[str]:
    return [
        f"{view.right} {view.outcome or view.status}"
        for view in list_requests(person.runtime, person.account.id, 10).items
    ]


def test_what_is_held_and_six_rights_are_shown(person: Person) -> None:
    app = open_page()
    shown = text_of(app)
    assert "E-mail address" in shown and "until you delete it, or your account" in shown and not app.exception
    assert sum(button.key.startswith("use-") for button in app.button) == 6
    assert "/app/data-flow" in shown and "/app/preferences" in shown
    assert "Your open requests" not in shown and "Answered" not in shown


def test_a_right_without_words_is_one_press(person: Person) -> None:
    app = open_page()
    app.button(key="use-access").click().run()
    assert mine(person) == ["access scheduled"] and not app.exception
    assert "use-access" not in [button.key for button in app.button], "asked for already"
    assert "30 days left" in text_of(app) or "29 days left" in text_of(app)
    request = list_requests(person.runtime, person.account.id, 1).items[0]
    app.text_area(key=f"message-{request.id}").set_value("Please as <b>JSON</b>.")
    app.button(key=f"send-{request.id}").click().run()
    assert "Please as &lt;b&gt;JSON&lt;/b&gt;." in text_of(app)
    assert app.text_area(key=f"message-{request.id}").value == ""
    app.button(key=f"withdraw-{request.id}").click().run()
    assert mine(person) == ["access withdrawn"] and "Taken back" in text_of(app)


def test_own_fields_are_corrected(person: Person) -> None:
    app = open_page()
    app.button(key="use-rectification").click().run()
    app.text_input(key="correct-name").set_value("Ada Lovelace")
    app.selectbox(key="correct-language").set_value("fr")
    app.button(key="correct-go").click().run()
    account = get_account(person.runtime, person.account.id)
    assert (account.name, account.language) == ("Ada Lovelace", "fr") and not app.exception
    assert mine(person) == ["rectification fulfilled"]
    assert "/answer" in text_of(app), "the answer as a letter"
    app.button(key="use-rectification").click().run()
    app.button(key="correct-go").click().run()
    assert "Say what is wrong" in app.error[0].value


def test_a_halt_and_an_objection_show_and_end(person: Person) -> None:
    app = open_page()
    app.button(key="use-restriction").click().run()
    app.button(key="restrict-go").click().run()
    assert standing_of(person.runtime, person.account.id).restricted_at
    assert "The use of your data is restricted" in text_of(app)
    app.button(key="restriction-end").click().run()
    assert standing_of(person.runtime, person.account.id).restricted_at is None
    app.button(key="use-objection").click().run()
    app.button(key="object-go").click().run()
    assert "Analytics and news are stopped" in text_of(app)
    app.button(key="objection-end").click().run()
    assert standing_of(person.runtime, person.account.id).may_analyse and not app.exception


def test_a_deletion_waits_and_is_kept_back_or_begun(person: Person) -> None:
    app = open_page()
    app.button(key="use-erasure").click().run()
    app.button(key="erase-go-not").click().run()
    assert mine(person) == []
    app.button(key="use-erasure").click().run()
    app.button(key="erase-go").click().run()
    request = list_requests(person.runtime, person.account.id, 1).items[0]
    assert "Until then you can take it back" in text_of(app) and request.start_at
    app.button(key=f"begin-{request.id}").click().run()
    assert f"begin-{request.id}" not in [button.key for button in app.button]
    app.button(key=f"withdraw-{request.id}").click().run()
    assert mine(person) == ["erasure withdrawn"] and not app.exception


def test_rights_ask_for_the_password_first(person: Person) -> None:
    request = ask(person.runtime, view_of(person), "erasure")
    with person.runtime.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))
    app = open_page()
    keys = [button.key for button in app.button]
    assert "/auth/confirm?then=my-data" in text_of(app) and not any(key.startswith("use-") for key in keys)
    assert f"withdraw-{request.id}" in keys and f"begin-{request.id}" not in keys


def test_the_time_line_tells_what_happened_in_words(person: Person) -> None:
    request = ask(person.runtime, view_of(person), "rectification", Details(text="The invoice is <i>wrong</i>."))
    shown = text_of(open_page(request=request.id))
    assert "Somebody looks at what is contested" in shown and "The use of the data was restricted" in shown
    codes = [event.code for event in get_request(person.runtime, person.account.id, request.id).events]
    assert not any(code in shown for code in codes if "_" in code), "no code is shown"
