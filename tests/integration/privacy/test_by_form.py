"""Asking without signing in, and what days bring: links nobody followed, reminders."""

import time
from statistics import median

import pytest

from core.accounts.commands import create_account
from core.accounts.domain import SessionView
from core.accounts.standing import standing_of
from core.platform.mail.queries import list_mails
from core.platform.runtime import Runtime
from core.privacy.asking import ask
from core.privacy.by_form import ask_by_form, confirm_by_link
from core.privacy.clocks import end_unproven, remind_admins, turn_clocks
from core.privacy.domain import Details
from core.privacy.queries import list_requests, open_requests, request_figures
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded
from tests.conftest import PASSWORD
from tests.integration.privacy.conftest import privacy_admin
from tests.support.clock import FixedClock
from tests.support.letters import last_letter, letters_to, token_in

NOBODY = "nobody@example.org"


def test_a_link_to_the_own_address_shows_who_asked(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    ask_by_form(runtime, email=" Ada@Example.org ", right="objection")
    (waiting,) = open_requests(runtime)
    assert (waiting.status, waiting.channel, waiting.identity) == ("awaiting_identity", "form", None)
    assert standing_of(runtime, ada.account.id).objected_at is None
    done = confirm_by_link(runtime, token_in(last_letter(runtime, ada.account.email), "/privacy/confirm"))
    assert (done.outcome, done.identity) == ("fulfilled", "link")
    assert standing_of(runtime, ada.account.id).objected_at == clock.now()


def test_asked_again_it_is_the_same_request_with_a_newer_link(runtime: Runtime, ada: SessionView) -> None:
    ask_by_form(runtime, email=ada.account.email, right="access")
    first = token_in(last_letter(runtime, ada.account.email), "/privacy/confirm")
    ask_by_form(runtime, email=ada.account.email, right="access")
    second = token_in(last_letter(runtime, ada.account.email), "/privacy/confirm")
    assert len(open_requests(runtime)) == 1
    with pytest.raises(Forbidden):
        confirm_by_link(runtime, first)
    assert confirm_by_link(runtime, second).status == "scheduled"
    ask_by_form(runtime, email=ada.account.email, right="access")
    assert len(open_requests(runtime)) == 1
    assert "We received your request" in last_letter(runtime, ada.account.email).subject


def test_nobody_learns_who_has_an_account(runtime: Runtime, ada: SessionView) -> None:
    for email in (ada.account.email, NOBODY, "not an address", ""):
        assert ask_by_form(runtime, email=email, right="access") is None
        with pytest.raises(InvalidInput):
            ask_by_form(runtime, email=email, right="rectification")
    assert len(letters_to(runtime, ada.account.email)) == 1
    assert letters_to(runtime, NOBODY) == [] and len(list_mails(runtime).items) == 1
    for _ in range(9):
        ask_by_form(runtime, email=ada.account.email, right="access")
    assert len(letters_to(runtime, ada.account.email)) == 5, "five an hour, silently"
    assert [view.account_id for view in open_requests(runtime)] == [ada.account.id]


def test_one_client_does_not_ask_for_everybody(runtime: Runtime, ada: SessionView) -> None:
    with pytest.raises(LimitExceeded):
        for number in range(40):
            ask_by_form(runtime, email=f"p{number}@example.org", right="access", client_host="203.0.113.7")


def test_an_unknown_address_takes_as_long_as_a_known_one(runtime: Runtime, ada: SessionView) -> None:
    """As a ratio of medians, taken in turns: what is compared is the work that is done, not this machine."""

    def seconds(email: str) -> float:
        begun = time.perf_counter()
        ask_by_form(runtime, email=email, right="access")
        return time.perf_counter() - begun

    seconds("warm@example.org")
    people = [f"person{number}@example.org" for number in range(24)]
    for email in people:
        create_account(runtime, email=email, password=PASSWORD)
    pairs = [(seconds(email), seconds(f"no-{email}")) for email in people]
    assert 0.5 < median(known / unknown for known, unknown in pairs) < 2.0


def test_what_nobody_proved_ends_by_itself(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    ask_by_form(runtime, email=ada.account.email, right="erasure")
    token = token_in(last_letter(runtime, ada.account.email), "/privacy/confirm")
    clock.advance(days=6, hours=23)
    assert end_unproven(runtime) == 0
    clock.advance(hours=1)
    with pytest.raises(Forbidden):
        confirm_by_link(runtime, token)
    assert end_unproven(runtime) == 1 and end_unproven(runtime) == 0
    (closed,) = list_requests(runtime, ada.account.id, 10).items
    assert (closed.status, closed.outcome) == ("closed", "refused")
    assert "nothing was done" in last_letter(runtime, ada.account.email).text
    assert request_figures(runtime).answered == 0


def test_privacy_admins_are_reminded_each_time_once(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    grace, linus = privacy_admin(runtime, "grace@example.org"), privacy_admin(runtime, "linus@example.org")
    ask(runtime, ada, "rectification", Details(text="The invoice of May names another firm."))  # due 28 February
    ask(runtime, linus, "rectification", Details(text="Mine names another, too."))
    told: list[int] = []
    for _ in range(31):
        told.append(remind_admins(runtime))
        assert remind_admins(runtime) == 0, "each once"
        letters_to(runtime, grace.account.email)  # sent on its day
        clock.advance(days=1)
    days = [number for number, count in enumerate(told) if count]
    assert days == [21, 25, 27, 29, 30], "7, 3 and 1 days before, then each day that it is late"

    def reminders(who: SessionView) -> list[str]:
        mails = letters_to(runtime, who.account.email)
        return [mail.text for mail in mails if "you are a privacy admin" in mail.text]

    assert len(reminders(linus)) * 2 == len(reminders(grace)) == 10, "nobody of their own request"
    assert not any("Mine" in text or ada.account.email in text for text in reminders(grace))
    assert "late by 2 days" in reminders(linus)[-1]


def test_the_clocks_turn_with_nothing_to_do(runtime: Runtime) -> None:
    assert turn_clocks(runtime) == 0
    assert request_figures(runtime).median_days is None


def test_how_long_an_answer_takes(runtime: Runtime, ada: SessionView, clock: FixedClock) -> None:
    ask(runtime, ada, "objection")
    asked = ask(runtime, ada, "rectification", Details(name="Ada L.", email="lovelace@example.org"))
    assert request_figures(runtime).open == 1 and asked.is_open
    figures = request_figures(runtime)
    assert (figures.answered, figures.median_days, figures.past_due) == (1, 0.0, 0)
