"""The profile: about you, signing in, where you are signed in, leaving."""

from streamlit.testing.v1 import AppTest

from core.accounts.authentication import sign_in
from core.accounts.queries import find_session, get_account, list_sessions
from core.privacy.asking import ask
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


def test_leaving_leads_to_my_data(person: Person) -> None:
    assert 'href="/app/my-data"' in text_of(open_page()) and "You asked for it" not in text_of(open_page())
    session = find_session(person.runtime, person.token)
    assert session is not None
    ask(person.runtime, session, "erasure")
    assert "You asked for it" in text_of(open_page())
