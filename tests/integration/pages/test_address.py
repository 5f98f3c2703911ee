"""Whoever goes elsewhere gets there, although the browser asks for something else in between."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.integration.pages.conftest import TIMEOUT, Person

SCRIPT = """
import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

from pages.ui.address import address, come_back, go
from pages.ui.session import guarded

state = st.session_state


def browser_asks(when):
    # As it does with what was typed meanwhile, from the address that it knows.
    if state.moment == when and not state.get("asked"):
        state.asked = True
        context = get_script_run_ctx()
        back = state.get("back", False)
        asked = RerunData("at=here&kept=yes", page_script_hash=context.page_script_hash, is_history_navigation=back)
        context.script_requests.request_rerun(asked)


@guarded
def leave():
    browser_asks("before it goes")
    go({**address(), "at": state.get("to", "there")})
    browser_asks("after it went")
    state.whole = address()


come_back(state.get("page", "one"))
st.button("Leave", on_click=leave)
if state.get("whole"):
    browser_asks("while it is drawn")
st.text(f"{address()}")
if state.get("whole"):
    browser_asks("at its end")
"""


@pytest.mark.parametrize("moment", ["before it goes", "after it went", "while it is drawn", "at its end", "never"])
def test_an_address_that_a_callback_changed_stays_changed(person: Person, moment: str) -> None:
    app = _opened(moment)
    app.button[0].click().run()
    assert app.session_state.whole == {"at": "there", "kept": "yes"}, "the callback came to its end"
    assert app.text[0].value == "{'at': 'there', 'kept': 'yes'}"
    assert (app.query_params["at"], app.query_params["kept"]) in ((["there"], ["yes"]), ("there", "yes"))
    app.query_params["at"] = "elsewhere"
    assert app.run().text[0].value == "{'at': 'elsewhere', 'kept': 'yes'}", "and can be changed again"


def test_an_address_that_was_old_when_it_was_sent_stays_changed(person: Person) -> None:
    app = _opened("never")
    app.button[0].click().run()
    app.query_params["at"] = "here"  # sent before the browser heard of the other, and come when all was drawn
    assert app.run().text[0].value == "{'at': 'there', 'kept': 'yes'}"


def test_what_the_browser_heard_of_it_does_not_ask_from_before(person: Person) -> None:
    app = _opened("never")
    app.button[0].click().run()
    app.session_state.to = "beyond"
    app.button[0].click().run()  # from there: what was before that is history
    app.query_params["at"] = "here"
    assert app.run().text[0].value == "{'at': 'here', 'kept': 'yes'}"


def test_going_back_is_going_back(person: Person) -> None:
    app = _opened("while it is drawn")
    app.session_state.back = True
    app.button[0].click().run()
    assert app.text[0].value == "{'at': 'here', 'kept': 'yes'}"


def test_where_one_goes_is_of_the_page_one_was_on(person: Person) -> None:
    app = _opened("never")
    app.session_state.page = "two"
    app.button[0].click().run()
    assert app.text[0].value == "{}", "nor does the other page get its query"


def _opened(moment: str) -> AppTest:
    app = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT)
    app.session_state.moment = moment
    app.query_params["at"], app.query_params["kept"] = "here", "yes"
    app.run()
    assert app.text[0].value == "{'at': 'here', 'kept': 'yes'}"
    return app
