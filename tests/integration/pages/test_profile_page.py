"""The profile: about you, signing in, where you are signed in, leaving."""

from datetime import timedelta

from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from core.accounts.authentication import sign_in
from core.accounts.queries import get_account, list_sessions
from core.privacy.queries import open_erasure
from tests.conftest import PASSWORD
from tests.integration.pages.conftest import Person, page_test, text_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def open_page() -> AppTest:
    return page_test("pages.account.profile", "profile_page")


def test_name_and_language_are_changed(person: Person) -> None:
    app = open_page()
    app.text_input(key="profile-name").set_value("Ada Lovelace")
    app.selectbox(key="profile-language").set_value("fr")
    app.button(key="FormSubmitter:profile-form-Save").click().run()
    account = get_account(person.runtime, person.account.id)
    assert (account.name, account.language) == ("Ada Lovelace", "fr") and not app.exception


def test_other_sign_ins_are_listed_and_ended(person: Person) -> None:
    for device in (FIREFOX, "curl/8.5"):
        sign_in(person.runtime, email=person.account.email, password=PASSWORD, device=device)
    app = open_page()
    assert "Firefox on Linux" in text_of(app) and "curl/8.5" in text_of(app) and "this one" in text_of(app)
    firefox = next(view for view in list_sessions(person.runtime, person.account.id) if view.device == FIREFOX)
    app.button(key=f"end-{firefox.id}").click().run()
    assert "Firefox on Linux" not in text_of(app)
    app.button(key="sign-out-others").click().run()
    assert len(list_sessions(person.runtime, person.account.id)) == 1
    assert "sign-out-others" not in [button.key for button in app.button], "there is nobody else"


def test_deletion_is_asked_for_and_taken_back(person: Person) -> None:
    app = open_page()
    app.button(key="deletion-ask").click().run()
    assert "sign you out everywhere else" in text_of(app)
    app.button(key="deletion-keep").click().run()
    assert open_erasure(person.runtime, person.account.id) is None
    app.button(key="deletion-ask").click().run()
    app.button(key="deletion-go").click().run()
    asked = open_erasure(person.runtime, person.account.id)
    assert asked is not None and asked.due_at - asked.received_at <= timedelta(days=30)
    assert "at the latest on" in text_of(app)
    app.button(key="deletion-withdraw").click().run()
    assert open_erasure(person.runtime, person.account.id) is None and not app.exception


def test_deletion_asks_for_the_password_first(person: Person) -> None:
    with person.runtime.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))
    app = open_page()
    assert "/auth/confirm?then=delete" in text_of(app) and "deletion-ask" not in [b.key for b in app.button]
