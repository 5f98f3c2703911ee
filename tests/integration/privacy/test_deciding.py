"""What privacy admins do: decisions with two signatures, extensions, messages, and looking who asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.accounts.audit import list_acts, verify_audit
from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.accounts.roles import set_roles
from core.accounts.standing import standing_of
from core.platform.runtime import Runtime
from core.privacy import deciding
from core.privacy.advance import advance_request
from core.privacy.asking import ask
from core.privacy.clocks import turn_clocks
from core.privacy.commands import write_message
from core.privacy.domain import Details
from core.privacy.lifting import announce_lifting
from core.privacy.models import PrivacyRequestRow
from core.privacy.queries import get_request, request_figures, request_file
from core.shared.errors import AppError, Conflict, Forbidden, InvalidInput
from tests.conftest import PASSWORD
from tests.integration.accounts.conftest import session_of
from tests.integration.privacy.conftest import REASON, privacy_admin
from tests.integration.privacy.test_asking import codes_of, stale
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to

CONTESTED = Details(text="The invoice of May names another firm.")


def contested(runtime: Runtime, by: SessionView) -> str:
    return ask(runtime, by, "rectification", CONTESTED).id


def test_what_is_accepted_goes_on_and_the_restriction_ends_after_its_notice(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    request = contested(runtime, ada)
    assert deciding.decide(runtime, grace, request, "accept", REASON), "one signature is enough"
    assert request_file(runtime, request).request.status == "scheduled"
    mails = [mail for mail in letters_to(runtime, ada.account.email) if REASON in mail.text]
    assert {"decided" in mail.subject or "restriction" in mail.subject for mail in mails} == {True} and len(mails) == 2
    assert advance_request(runtime, request)
    found = get_request(runtime, ada.account.id, request)
    assert found.request.outcome == "fulfilled" and found.decision is not None and found.decision.reason == REASON
    turn_clocks(runtime)
    assert standing_of(runtime, ada.account.id).restricted_at, "told before it is lifted"
    clock.advance(days=3)
    turn_clocks(runtime)
    assert standing_of(runtime, ada.account.id).restricted_at is None
    assert codes_of(runtime, ada, request)[-1] == "restriction_ended"


def test_a_refusal_counts_with_the_signature_of_another(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    linus = privacy_admin(runtime, "linus@example.org")
    request = contested(runtime, ada)
    assert not deciding.decide(runtime, grace, request, "refuse", REASON)
    assert request_file(runtime, request).request.status == "awaiting_decision"
    with pytest.raises(Conflict) as twice:
        deciding.decide(runtime, linus, request, "accept", REASON)
    assert twice.value.code == "DECIDED"
    with pytest.raises(Conflict) as same:
        deciding.sign_second(runtime, grace, request)
    assert same.value.code == "ANOTHER_MUST_SIGN"
    deciding.sign_second(runtime, linus, request)
    found = request_file(runtime, request)
    assert (found.request.status, found.request.outcome) == ("closed", "refused")
    assert found.decision and (found.decision.second_by, found.decision.signed_alone) == (linus.account.id, False)
    refusal = next(mail for mail in letters_to(runtime, ada.account.email) if "cannot do" in mail.subject)
    assert REASON in refusal.text and "CNIL" in refusal.text and "court" in refusal.text


def test_the_only_privacy_admin_signs_again_a_day_later_and_the_log_says_so(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    request = contested(runtime, ada)
    deciding.decide(runtime, grace, request, "refuse", REASON)
    clock.advance(hours=23, minutes=59)
    with pytest.raises(Conflict) as early:
        deciding.sign_second(runtime, session_of(runtime, grace.account.email), request)
    assert early.value.code == "SIGN_AGAIN_LATER"
    clock.advance(minutes=1)
    deciding.sign_second(runtime, session_of(runtime, grace.account.email), request)
    decision = request_file(runtime, request).decision
    assert decision is not None and decision.signed_alone
    act = list_acts(runtime, 1, act="privacy.signed_second").items[0]
    assert act.details["alone"] is True and verify_audit(runtime).problems == ()


def test_who_asked_does_not_count_as_the_second_privacy_admin(
    runtime: Runtime, grace: SessionView, clock: FixedClock
) -> None:
    other = privacy_admin(runtime, "linus@example.org")
    request = contested(runtime, other)
    for act in each_act(runtime, other, request).values():
        with pytest.raises(Forbidden) as own:
            act()
        assert own.value.code == "OWN_REQUEST"
    deciding.decide(runtime, grace, request, "refuse", REASON)
    clock.advance(hours=24)
    deciding.sign_second(runtime, session_of(runtime, grace.account.email), request)
    assert request_file(runtime, request).decision.signed_alone  # type: ignore[union-attr]


def each_act(runtime: Runtime, by: SessionView, request: str) -> dict[str, Callable[[], Any]]:
    """Everything that is done with another's request."""
    until = datetime(2027, 4, 1, tzinfo=UTC)
    return {
        "decide": lambda: deciding.decide(runtime, by, request, "accept", REASON),
        "sign": lambda: deciding.sign_second(runtime, by, request),
        "drop": lambda: deciding.drop_decision(runtime, by, request),
        "extend": lambda: deciding.extend(runtime, by, request, until, REASON),
        "identity": lambda: deciding.note_identity(runtime, by, request, REASON),
        "message": lambda: deciding.answer_message(runtime, by, request, REASON),
        "reveal": lambda: deciding.reveal(runtime, by, request, REASON),
        "leave out": lambda: deciding.leave_out(runtime, by, request, frozenset()),
        "lift": lambda: announce_lifting(runtime, by, request, REASON),
    }


@pytest.mark.parametrize("roles", [(), ("admin",), ("accounting",), ("admin", "accounting")])
def test_without_the_role_nothing_is_done(runtime: Runtime, ada: SessionView, roles: tuple[str, ...]) -> None:
    create_account(runtime, email="eve@example.org", password=PASSWORD, roles=roles)
    eve = session_of(runtime, "eve@example.org")
    request = contested(runtime, ada)
    before = request_file(runtime, request)
    for name, act in each_act(runtime, eve, request).items():
        with pytest.raises(Forbidden) as refused:
            act()
        assert refused.value.code == "NOT_PRIVACY_ADMIN", name
    assert request_file(runtime, request) == before


def test_what_matters_is_done_right_after_the_password(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    request = contested(runtime, ada)
    for name, act in each_act(runtime, stale(grace), request).items():
        if name in ("drop", "message"):
            continue
        with pytest.raises(Forbidden) as refused:
            act()
        assert refused.value.code == "CONFIRM_PASSWORD", name


def test_a_dropped_decision_leaves_the_request_where_it_was(
    runtime: Runtime, ada: SessionView, grace: SessionView
) -> None:
    request = contested(runtime, ada)
    deciding.decide(runtime, grace, request, "refuse", REASON)
    deciding.drop_decision(runtime, grace, request)
    assert request_file(runtime, request).decision is None
    assert deciding.decide(runtime, grace, request, "accept", REASON)


def test_an_extension_comes_with_its_notice_and_its_reason(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    request = contested(runtime, ada)
    until = datetime(2027, 4, 30, 12, tzinfo=UTC)
    with pytest.raises(InvalidInput):
        deciding.extend(runtime, grace, request, until, "short")
    deciding.extend(runtime, grace, request, until, REASON)
    view = request_file(runtime, request).request
    assert (view.extended_until, f"{view.due_at:%m-%d}") == (until, "02-28"), "the promise stays where it was"
    mail = last_letter(runtime, ada.account.email)
    assert "2027-04-30" in mail.text and REASON in mail.text
    with pytest.raises(Conflict):
        deciding.extend(runtime, grace, request, until - timedelta(days=1), REASON)
    clock.moment = datetime(2027, 3, 15, tzinfo=UTC)
    figures = request_figures(runtime)
    assert (figures.open, figures.past_due, figures.missed_promise) == (1, 0, 1)


def test_the_month_over_nothing_is_extended(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    request = contested(runtime, ada)
    clock.advance(days=28, seconds=1)
    late = session_of(runtime, grace.account.email)
    with pytest.raises(Conflict) as refused:
        deciding.extend(runtime, late, request, clock.now() + timedelta(days=20), REASON)
    assert refused.value.code == "MONTH_OVER"
    assert request_figures(runtime).past_due == 1, "late, and still open"


def test_looking_who_asked_is_written_down_and_told(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    request = contested(runtime, ada)
    with pytest.raises(InvalidInput):
        deciding.reveal(runtime, grace, request, "why not")
    seen = deciding.reveal(runtime, grace, request, REASON)
    assert (seen.name, seen.email) == ("Ada", "ada@example.org") and "ada@" not in repr(seen)
    mail = last_letter(runtime, ada.account.email)
    assert "looked at who asked" in mail.subject and REASON in mail.text
    act = list_acts(runtime, 1).items[0]
    assert (act.act, act.actor_id, act.subject_id) == ("privacy.revealed", grace.account.id, ada.account.id)
    assert REASON not in str(act.details)


def test_messages_go_both_ways(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    request = contested(runtime, ada)
    write_message(runtime, ada, request, "Have you seen it?")
    deciding.answer_message(runtime, grace, request, "We have. One more week.")
    said = [(event.actor, event.text) for event in request_file(runtime, request).events if event.code == "message"]
    assert said == [("person", "Have you seen it?"), ("privacy_admin", "We have. One more week.")]
    assert "One more week" in last_letter(runtime, ada.account.email).text
    with pytest.raises(InvalidInput):
        deciding.answer_message(runtime, grace, request, "  ")


def test_an_identity_that_was_seen_lets_a_letter_go_on(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    request = ask(runtime, stale(ada), "objection").id
    with pytest.raises(InvalidInput):
        deciding.note_identity(runtime, grace, request, "seen")
    deciding.note_identity(runtime, grace, request, "Called back on the number of the contract.")
    view = request_file(runtime, request).request
    assert (view.status, view.identity) == ("scheduled", "evidence")
    with pytest.raises(Conflict):
        deciding.note_identity(runtime, grace, request, "Called back on the number of the contract.")


def test_a_restriction_ends_without_its_person_only_after_they_were_told(
    runtime: Runtime, ada: SessionView, grace: SessionView, clock: FixedClock
) -> None:
    request = ask(runtime, ada, "restriction", Details(ground="claims")).id
    with pytest.raises(Conflict) as undecided:
        announce_lifting(runtime, grace, request, REASON)
    assert undecided.value.code == "NOT_DECIDED"
    deciding.decide(runtime, grace, request, "accept", REASON)
    advance_request(runtime, request)
    clock.advance(days=30)
    turn_clocks(runtime)
    assert standing_of(runtime, ada.account.id).restricted_at, "an accepted one lasts"
    again = session_of(runtime, grace.account.email)
    announce_lifting(runtime, again, request, REASON)
    mail = last_letter(runtime, ada.account.email)
    assert "about to end" in mail.text or "ends on 2027-03-05" in mail.subject
    with pytest.raises(Conflict):
        announce_lifting(runtime, again, request, REASON)
    clock.advance(days=2, hours=23)
    turn_clocks(runtime)
    assert standing_of(runtime, ada.account.id).restricted_at
    clock.advance(hours=1)
    turn_clocks(runtime)
    assert standing_of(runtime, ada.account.id).restricted_at is None


def test_a_privacy_admin_who_lost_the_role_signs_nothing(runtime: Runtime, ada: SessionView) -> None:
    create_account(runtime, email="root@example.org", password=PASSWORD, roles=("admin", "privacy_admin"))
    root = session_of(runtime, "root@example.org")
    grace = privacy_admin(runtime, "grace@example.org")
    request = contested(runtime, ada)
    set_roles(runtime, root, grace.account.id, ())
    gone = session_of(runtime, grace.account.email)
    with pytest.raises(Forbidden):
        deciding.decide(runtime, gone, request, "accept", REASON)


def test_words_are_sealed_and_gone_with_the_key(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    request = contested(runtime, ada)
    deciding.decide(runtime, grace, request, "refuse", REASON)
    write_message(runtime, ada, request, "Have you seen it?")
    with runtime.database.read() as session:
        assert b"invoice" not in (session.get_one(PrivacyRequestRow, request).details or b"")
    runtime.vault.forget(ada.account.id)
    found = request_file(runtime, request)
    assert found.details == Details() and found.decision is not None and found.decision.reason == ""
    assert {event.text for event in found.events} == {""} and len(found.events) >= 5


def test_nothing_is_decided_twice_at_once(runtime: Runtime, ada: SessionView, grace: SessionView) -> None:
    request = contested(runtime, ada)

    def accept(_: int) -> bool:
        try:
            return deciding.decide(runtime, grace, request, "accept", REASON)
        except AppError as refused:
            assert refused.code == "REQUEST_MOVED"
            return False

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(accept, range(4))).count(True) == 1
