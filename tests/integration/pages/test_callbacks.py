"""A callback is not interrupted by others, and still ends itself where its page would."""

from streamlit.testing.v1 import AppTest

from core.accounts.sessions import sign_out
from tests.integration.pages.conftest import TIMEOUT, Person

SCRIPT = """
import streamlit as st

from core.bootstrap import get_runtime
from pages.ui.session import current_session, require_role


def look():
    current_session(get_runtime())
    st.session_state.looked = True


def act():
    require_role(get_runtime(), "admin")
    st.session_state.acted = True


st.button("Look", on_click=look)
st.button("Act", on_click=act)
"""


def test_who_has_not_the_role_any_more_does_nothing(person: Person) -> None:
    app = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT).run()
    app.button[0].click().run()
    app.button[1].click().run()
    assert app.session_state.looked and "acted" not in app.session_state
    assert "There is no such page" in app.error[0].value


def test_who_has_the_role_does(admin: Person) -> None:
    app = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT).run()
    app.button[1].click().run()
    assert app.session_state.acted


def test_who_is_signed_out_does_nothing(person: Person) -> None:
    app = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT).run()
    sign_out(person.runtime, person.token)
    app.button[0].click().run()
    assert "looked" not in app.session_state and not app.exception
