"""Using a right, and taking it back: what is verified at once, what waits, and what it brings meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.accounts.addresses import confirm_address
from core.accounts.audit import list_acts
from core.accounts.automation import automation_paused_at
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.accounts.queries import get_account, list_sessions
from core.accounts.standing import standing_of
from core.platform.runtime import Runtime
from core.privacy.advance import advance_request, due_requests
from core.privacy.asking import ask, enter_request
from core.privacy.by_form import ask_by_form, confirm_by_link, link_right
from core.privacy.commands import begin_now, end_objection, end_own_restriction, withdraw, write_message
from core.privacy.domain import Details
from core.privacy.queries import get_request, list_requests, open_erasure, open_requests, restrictions_of
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to, token_in


def stale(view: SessionView) -> SessionView:
    """The same sign-in, the password entered long ago."""
    return replace(view, confirmed_at=None)


def codes_of(runtime: Runtime, view: SessionView, request_id: str) -> list[str]:
    return [event.code for event in get_request(runtime, view.account.id, request_id).events]


def test_a_deletion_has_its_date_its_mail_and_its_effects(
    runtime: Runtime, ada: SessionView, clock: FixedClock
) -> None:
    session_of(runtime, ada.account.email)
    asked = ask(runtime, ada, "erasure")
    assert (asked.right, asked.status, f"{asked.due_at:%Y-%m-%d}") == ("erasure", "scheduled", "2027-02-28")
    assert asked.start_at == clock.now() + timedelta(hours=72) and asked.identity == "session"
    assert [view.id for view in list_sessions(runtime, ada.account.id)] == [ada.id]
    assert automation_paused_at(runtime, ada.account.id) == clock.now()
    mail = last_letter(runtime, "ada@example.org")
    assert "We received your request" in mail.subject and "2027-02-28" in mail.text
    assert open_requests(runtime) == (asked,)
    acts = {act.act for act in list_acts(runtime, 10, account_id=ada.account.id).items}
    assert {"privacy.asked", "automation.paused"} <= acts
    assert codes_of(runtime, ada, asked.id) == ["received", "identity_session", "scheduled"]
    assert withdraw(runtime, ada, asked.id).outcome == "withdrawn"
    assert open_erasure(runtime, ada.account.id) is None and open_requests(runtime) == ()
    with pytest.raises(Conflict):
        withdraw(runtime, ada, asked.id)


def test_a_deletion_begins_at_once_for_who_says_so(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    asked = ask(runtime, ada, "erasure")
    with pytest.raises(Forbidden) as unsure:
        begin_now(runtime, stale(ada), asked.id)
    assert unsure.value.code == "CONFIRM_PASSWORD"
    assert begin_now(runtime, ada, asked.id).start_at == clock.now()
    withdraw(runtime, ada, asked.id)
    assert ask(runtime, ada, "erasure", Details(at_once=True)).start_at is None


def test_it_is_asked_once_however_often_it_is_clicked(runtime: Runtime, ada: SessionView) -> None:
    def click(_: int) -> bool:
        try:
            ask(runtime, ada, "erasure")
        except Conflict as again:
            assert again.code == "ERASURE_ASKED"
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(click, range(4))).count(True) == 1
    assert len(open_requests(runtime)) == 1


def test_without_the_password_a_link_is_mailed_and_nothing_is_done(
    runtime: Runtime, ada: SessionView, clock: FixedClock
) -> None:
    session_of(runtime, ada.account.email)
    asked = ask(runtime, stale(ada), "erasure", channel="api")
    assert (asked.status, asked.identity) == ("awaiting_identity", None)
    assert len(list_sessions(runtime, ada.account.id)) == 2
    assert automation_paused_at(runtime, ada.account.id) is None
    token = token_in(last_letter(runtime, ada.account.email), "/privacy/confirm")
    assert link_right(runtime, token) == "erasure"
    confirmed = confirm_by_link(runtime, token)
    assert (confirmed.status, confirmed.identity) == ("scheduled", "link")
    assert list_sessions(runtime, ada.account.id) == () and automation_paused_at(runtime, ada.account.id)
    with pytest.raises(Forbidden) as used:
        confirm_by_link(runtime, token)
    assert used.value.code == "LINK_INVALID"
    assert codes_of(runtime, ada, asked.id) == ["received", "identity_asked", "identity_link", "scheduled"]


def test_the_last_admin_stays_and_a_link_does_not_help(runtime: Runtime) -> None:
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin",))
    root = session_of(runtime, "root@example.org")
    with pytest.raises(Conflict) as last:
        ask(runtime, root, "erasure")
    assert last.value.code == "LAST_ADMIN" and open_requests(runtime) == ()
    ask_by_form(runtime, email="root@example.org", right="erasure")
    token = token_in(last_letter(runtime, "root@example.org"), "/privacy/confirm")
    for _ in range(2):
        with pytest.raises(Conflict) as again:
            confirm_by_link(runtime, token)
        assert again.value.code == "LAST_ADMIN", "and the link stays usable"


def test_own_fields_are_corrected_at_once(runtime: Runtime, ada: SessionView) -> None:
    done = ask(runtime, ada, "rectification", Details(name="Ada Lovelace", language="fr"))
    assert (done.status, done.outcome) == ("closed", "fulfilled")
    account = get_account(runtime, ada.account.id)
    assert (account.name, account.language) == ("Ada Lovelace", "fr")
    found = get_request(runtime, ada.account.id, done.id)
    assert [(step.name, dict(step.counts)) for step in found.steps] == [
        ("correct", {"fields": 2}),
        ("tell_recipients", {"recipients": 0}),
    ]
    assert found.details.name == "Ada Lovelace"
    assert letters_to(runtime, ada.account.email)[-1].subject.startswith("Réponse à votre demande")


def test_a_new_address_waits_for_its_own_link(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    with pytest.raises(Forbidden):
        ask(runtime, stale(ada), "rectification", Details(email="lovelace@example.org"))
    asked = ask(runtime, ada, "rectification", Details(email="Lovelace@example.org"))
    assert asked.status == "executing"
    confirm_address(runtime, token_in(last_letter(runtime, "lovelace@example.org"), "/auth/address/confirm"))
    clock.advance(minutes=6)
    assert due_requests(runtime) == (asked.id,) and advance_request(runtime, asked.id)
    assert get_request(runtime, ada.account.id, asked.id).request.outcome == "fulfilled"


def test_an_address_nobody_confirmed_is_left(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    asked = ask(runtime, ada, "rectification", Details(email="lovelace@example.org", name="Ada L."))
    clock.advance(hours=25)
    advance_request(runtime, asked.id)
    assert get_request(runtime, ada.account.id, asked.id).request.outcome == "partial"
    assert get_account(runtime, ada.account.id).name == "Ada L."
    assert "A part of it could not be done" in last_letter(runtime, ada.account.email).text


def test_a_restriction_counts_at_once_and_its_person_ends_it(
    runtime: Runtime, ada: SessionView, clock: FixedClock
) -> None:
    done = ask(runtime, ada, "restriction")
    assert (done.status, done.outcome) == ("closed", "fulfilled")
    assert standing_of(runtime, ada.account.id).restricted_at == clock.now()
    clock.advance(minutes=1)
    other = ask(runtime, ada, "restriction", Details(ground="claims", text="A lawsuit."))
    assert other.status == "awaiting_decision" and len(restrictions_of(runtime, ada.account.id)) == 2
    assert standing_of(runtime, ada.account.id).restricted_at == clock.now() - timedelta(minutes=1)
    withdraw(runtime, ada, other.id)
    assert standing_of(runtime, ada.account.id).restricted_at is not None, "the first goes on"
    end_own_restriction(runtime, ada)
    assert standing_of(runtime, ada.account.id).restricted_at is None
    with pytest.raises(Conflict):
        end_own_restriction(runtime, ada)


def test_an_objection_stops_analytics_and_news_now(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    done = ask(runtime, ada, "objection")
    standing = standing_of(runtime, ada.account.id)
    assert done.outcome == "fulfilled" and standing.objected_at == clock.now()
    assert standing.may_process and not standing.may_analyse
    end_objection(runtime, ada)
    assert standing_of(runtime, ada.account.id).may_analyse
    reasoned = ask(runtime, ada, "objection", Details(text="My situation is a special one."))
    assert reasoned.status == "awaiting_decision"
    standing = standing_of(runtime, ada.account.id)
    assert standing.objected_at and standing.restricted_at, "restricted until it is decided"


def test_contested_facts_wait_for_a_decision_restricted(runtime: Runtime, ada: SessionView) -> None:
    asked = ask(runtime, ada, "rectification", Details(text="The invoice of May names another firm."))
    assert asked.status == "awaiting_decision" and standing_of(runtime, ada.account.id).restricted_at
    assert ask(runtime, ada, "rectification", Details(name="A.")).outcome == "fulfilled", "others go on meanwhile"
    withdraw(runtime, ada, asked.id)
    assert standing_of(runtime, ada.account.id).restricted_at is None


@pytest.mark.parametrize(
    ("right", "details", "code"),
    [
        ("rectification", Details(), "NOTHING_TO_CORRECT"),
        ("rectification", Details(language="de"), "UNKNOWN_LANGUAGE"),
        ("rectification", Details(email="none"), "INVALID_EMAIL"),
        ("access", Details(name="X"), "NOT_FOR_THIS_RIGHT"),
        ("access", Details(ground="claims"), "NOT_FOR_THIS_RIGHT"),
        ("access", Details(at_once=True), "NOT_FOR_THIS_RIGHT"),
        ("access", Details(text="x" * 5001), "TOO_LONG"),
        ("access", Details(text="a\0b"), "NUL_CHARACTER"),
    ],
)
def test_what_makes_no_sense_is_refused(runtime: Runtime, ada: SessionView, right, details, code) -> None:
    with pytest.raises(InvalidInput) as wrong:
        ask(runtime, ada, right, details)
    assert wrong.value.code == code and open_requests(runtime) == ()


def test_what_is_somebody_elses_is_not_found(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    asked = ask(runtime, ada, "access")
    acts: list[Callable[[], object]] = [
        lambda: withdraw(runtime, grace, asked.id),
        lambda: begin_now(runtime, grace, asked.id),
        lambda: write_message(runtime, grace, asked.id, "hello"),
        lambda: get_request(runtime, grace.account.id, asked.id),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            act()
    assert list_requests(runtime, grace.account.id, 10).items == ()
    assert [view.id for view in list_requests(runtime, ada.account.id, 10).items] == [asked.id]


def test_nobody_asks_without_end(runtime: Runtime, ada: SessionView) -> None:
    with pytest.raises(LimitExceeded):
        for number in range(30):
            ask(runtime, ada, "rectification", Details(name=f"Ada {number}"))


def test_letters_are_entered_with_the_day_they_came_in(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    received = datetime(2027, 1, 10, tzinfo=UTC)

    def enter(**values: object):
        given = {"email": ada.account.email, "right": "access", "channel": "letter", "received_at": received}
        return enter_request(runtime, grace, **{**given, **values})  # type: ignore[arg-type]

    refused: list[tuple[dict[str, object], type[AppError], str]] = [
        ({"received_at": clock.now() + timedelta(seconds=1)}, InvalidInput, "NOT_RECEIVED_YET"),
        ({"channel": "app"}, InvalidInput, "UNKNOWN_CHANNEL"),
        ({"email": "nobody@example.org"}, NotFound, "ACCOUNT_NOT_FOUND"),
        ({"email": grace.account.email}, Forbidden, "OWN_REQUEST"),
        ({"right": "rectification", "details": Details(email="x@example.org")}, InvalidInput, "NOT_FOR_OTHERS"),
    ]
    for values, kind, code in refused:
        with pytest.raises(kind) as wrong:
            enter(**values)
        assert wrong.value.code == code
    with pytest.raises(Forbidden):
        enter_request(runtime, ada, email=grace.account.email, right="access", channel="letter", received_at=received)
    entered = enter(evidence="Signature as on the contract; passport seen, not copied.")
    assert (entered.status, entered.identity, entered.channel) == ("scheduled", "evidence", "letter")
    assert entered.due_at == datetime(2027, 2, 9, tzinfo=UTC), "counted from the day it came in"
    unsure = enter(right="objection")
    assert unsure.status == "awaiting_identity"
    assert token_in(last_letter(runtime, ada.account.email), "/privacy/confirm")
    assert standing_of(runtime, ada.account.id).objected_at is None
