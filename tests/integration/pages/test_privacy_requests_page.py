"""The room of the privacy admins: the queue, a request without a name, and everything that is decided there."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.bootstrap import set_runtime
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.domain import Details
from core.privacy.queries import list_requests, request_file
from core.privacy.retention.holds import cosign_hold, list_holds
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.integration.pages.conftest import Person, page_test, sign_in_person, text_of
from tests.support.letters import last_letter
from tests.support.old_history import add_runs

REASON = "The figures were checked against the invoices."
EVE = "eve@example.org"


@pytest.fixture
def grace(sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Somebody who handles requests, and is no admin."""
    yield sign_in_person(sqlite_runtime, monkeypatch, roles=("privacy_admin",))
    set_runtime(None)


@pytest.fixture
def eve(grace: Person) -> SessionView:
    """Who asks."""
    create_account(grace.runtime, email=EVE, password=PASSWORD, name="Eve Example")
    return session_of(grace.runtime, EVE)


def open_page(**query: str) -> AppTest:
    app = page_test("admin.privacy_requests", "privacy_requests_page", **query)
    assert not app.exception
    return app


def contested(grace: Person, eve: SessionView) -> str:
    return ask(grace.runtime, eve, "rectification", Details(text="The <b>invoice</b> of May is wrong.")).id


def test_an_empty_queue_teaches(grace: Person) -> None:
    assert "Nothing waits" in text_of(open_page()) and "none yet" in str(open_page().metric)


def test_the_queue_names_nobody(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    ask(grace.runtime, eve, "objection")
    shown = text_of(open_page())
    assert f"?request={request}" in shown and "days left" in shown and "Correction" in shown
    assert "Eve" not in shown and EVE not in shown and "invoice" not in shown
    detail = text_of(open_page(request=request))
    assert "The &lt;b&gt;invoice&lt;/b&gt; of May is wrong." in detail and "Eve" not in detail and EVE not in detail


def test_looking_who_asked_needs_a_reason_and_is_told(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    app = open_page(request=request)
    app.button(key=f"reveal-go-{request}").click().run()
    assert "at least 10 characters" in app.error[0].value and EVE not in text_of(app)
    app.text_area(key=f"reveal-reason-{request}").set_value(REASON)
    app.button(key=f"reveal-go-{request}").click().run()
    assert "Eve Example" in text_of(app) and EVE in text_of(app)
    assert REASON in last_letter(grace.runtime, EVE).text
    assert EVE not in text_of(open_page(request=request)), "for this time only"


def test_accepting_takes_a_reason(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    app = open_page(request=request)
    app.button(key=f"decide-{request}").click().run()
    assert "reason" in app.error[0].value
    app.text_area(key=f"reason-{request}").set_value(REASON)
    app.button(key=f"decide-{request}").click().run()
    assert request_file(grace.runtime, request).request.status == "scheduled"
    assert "Restricted" in text_of(app) and "ends soon" in text_of(app)


def test_a_refusal_waits_for_its_second_signature(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    app = open_page(request=request)
    app.radio(key=f"verdict-{request}").set_value("refuse")
    app.text_area(key=f"reason-{request}").set_value(REASON)
    app.button(key=f"decide-{request}").click().run()
    assert "Signed once: refuse" in text_of(app) and REASON in text_of(app)
    app.button(key=f"sign-{request}").click().run()
    assert "sign again after" in app.error[0].value
    app.button(key=f"drop-{request}").click().run()
    assert "To be decided" in text_of(app) and request_file(grace.runtime, request).decision is None


def test_taking_longer_tells_why(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    app = open_page(request=request)
    app.text_area(key=f"extend-reason-{request}").set_value(REASON)
    app.button(key=f"extend-{request}").click().run()
    view = request_file(grace.runtime, request).request
    assert view.extended_until and view.extended_until > view.due_at + timedelta(days=50)
    assert "extended" in text_of(app) and f"extend-{request}" not in [button.key for button in app.button]


def test_a_letter_is_entered_and_its_person_written_to(grace: Person, eve: SessionView) -> None:
    app = open_page()
    app.text_input(key="enter-email").set_value(EVE)
    app.selectbox(key="enter-right").set_value("objection")
    app.button(key="FormSubmitter:enter-Enter").click().run()
    (request,) = list_requests(grace.runtime, eve.account.id, 5).items
    assert (request.status, request.channel) == ("awaiting_identity", "letter")
    app = open_page(request=request.id)
    app.text_area(key=f"write-{request.id}").set_value("We mailed you a link.")
    app.button(key=f"write-go-{request.id}").click().run()
    assert "We mailed you a link." in text_of(app)
    app.text_area(key=f"evidence-{request.id}").set_value("Called back on the number of the contract.")
    app.button(key=f"evidence-go-{request.id}").click().run()
    assert request_file(grace.runtime, request.id).request.identity == "evidence"


def test_what_a_deletion_would_do_is_shown_and_its_answer_later(grace: Person, eve: SessionView) -> None:
    deletion = ask(grace.runtime, eve, "erasure").id
    assert "Will delete" in text_of(open_page(request=deletion))
    done = ask(grace.runtime, eve, "objection").id
    shown = text_of(open_page(request=done))
    assert "The answer, as it was mailed" in shown and "not counted any more" in shown


def test_nobody_handles_their_own(grace: Person) -> None:
    own = ask(grace.runtime, session_of(grace.runtime, grace.account.email), "access").id
    app = open_page(request=own)
    assert "This is your own request" in text_of(app) and not app.button
    assert f"?request={own}" not in text_of(open_page())


def test_without_the_password_nothing_that_matters_is_offered(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    with grace.runtime.database.write() as session:
        session.execute(text("UPDATE sessions SET confirmed_at = NULL"))
    app = open_page(request=request)
    assert "/auth/confirm?then=privacy-requests" in text_of(app)
    assert [button.key for button in app.button] == [f"write-go-{request}"]


def test_an_admin_without_the_role_sees_the_queue_and_nothing_said(
    sqlite_runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = sign_in_person(sqlite_runtime, monkeypatch, roles=("admin",))
    create_account(sqlite_runtime, email=EVE, password=PASSWORD)
    request = ask(
        sqlite_runtime, session_of(sqlite_runtime, EVE), "rectification", Details(text="The invoice is wrong.")
    ).id
    for query in ({}, {"request": request}):
        app = open_page(**query)
        assert "Only privacy admins handle requests" in text_of(app) and not app.button and not app.text_area
        assert "invoice" not in text_of(app) and f"?request={request}" not in text_of(app)
    assert root.account.is_admin
    overview = text_of(page_test("admin.overview", "overview_page"))
    assert "1 request of data subjects" in overview and "/app/privacy-requests" in overview
    set_runtime(None)


def test_one_row_is_held_back_by_its_id(grace: Person, eve: SessionView) -> None:
    (run,) = add_runs(grace.runtime, eve.account.id, 1, at=grace.runtime.clock.now())
    app = open_page(request=contested(grace, eve))
    app.radio(key="hold-what").set_value("row").run()
    app.text_input(key="hold-law").set_value("Code civil Art. 2224")
    app.text_area(key="hold-reason").set_value("A claim about this run.")
    app.text_input(key="hold-row").set_value("no such id")
    app.button(key="hold-place").click().run()
    assert "This person has no such row" in " ".join(str(each.value) for each in app.error)
    assert app.text_area(key="hold-reason").value == "A claim about this run.", "what was typed stays"
    app.text_input(key="hold-row").set_value(run)
    app.button(key="hold-place").click().run()
    (held,) = list_holds(grace.runtime, eve.account.id)
    assert (held.table, held.row_id) == ("runs", run) and f"…{run[-8:]}" in text_of(app)


def test_data_is_held_back_signed_and_let_go(grace: Person, eve: SessionView) -> None:
    request = contested(grace, eve)
    app = open_page(request=request)
    assert "Nothing is held back" in text_of(app)
    assert "goes on meanwhile" in text_of(app)
    app.text_input(key="hold-law").set_value("Code civil Art. 2224")
    app.text_area(key="hold-reason").set_value("A claim about the invoice of May.")
    app.button(key="hold-place").click().run()
    (held,) = list_holds(grace.runtime, eve.account.id)
    said = text_of(app)
    assert not app.exception and "one signature" in said and "Everything of this person" in said
    create_account(grace.runtime, email="second@example.org", password=PASSWORD, roles=("privacy_admin",))
    app.button(key=f"hold-sign-{held.id}").click().run()
    assert "Another privacy admin signs second" in " ".join(str(each.value) for each in app.error)
    cosign_hold(grace.runtime, session_of(grace.runtime, "second@example.org"), held.id)
    app = page_test("admin.retention", "retention_page")
    assert "signed twice" in text_of(app)
    app.button(key=f"hold-lift-{held.id}").click().run()
    assert list_holds(grace.runtime) == ()
