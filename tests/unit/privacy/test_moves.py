"""Every move of a request there is, for every actor: written out here, so that a change of the table is seen."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest

from core.privacy.domain import (
    Actor,
    PrivacyRequestView,
    Status,
    check_extension,
    due_at,
    longest_due_at,
    may_move,
    reminder_for,
)
from core.shared.errors import AppError
from core.shared.months import months_after

STATES: tuple[Status, ...] = get_args(Status)
ACTORS: tuple[Actor, ...] = get_args(Actor)
ALLOWED = {
    "system": {
        "received": {"awaiting_identity", "verified"},
        "awaiting_identity": {"verified", "closed"},
        "verified": {"awaiting_decision", "scheduled"},
        "scheduled": {"executing"},
        "executing": {"propagating", "verifying", "closed"},
        "propagating": {"executing", "verifying", "closed"},
        "verifying": {"executing", "propagating", "closed"},
    },
    "person": {
        "received": {"closed"},
        "awaiting_identity": {"closed"},
        "verified": {"closed"},
        "awaiting_decision": {"closed"},
        "scheduled": {"closed"},
    },
    "privacy_admin": {"awaiting_decision": {"scheduled", "closed"}},
}


@pytest.mark.parametrize(("before", "after", "actor"), list(product(STATES, STATES, ACTORS)))
def test_a_move_is_made_by_whom_it_is_for_and_by_nobody_else(before: Status, after: Status, actor: Actor) -> None:
    assert may_move(before, after, actor) == (after in ALLOWED[actor].get(before, ()))


def test_what_is_closed_stays_closed() -> None:
    assert not any(may_move("closed", after, actor) for after, actor in product(STATES, ACTORS))


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


def request(received: datetime, *, extended_until: datetime | None = None, status: Status = "scheduled"):
    return PrivacyRequestView(
        "r", "a", "access", status, received, due_at(received), None, extended_until=extended_until
    )


@pytest.mark.parametrize(
    ("received", "longest"),
    [
        ((2026, 11, 30), (2027, 2, 28)),  # February has no 30th
        ((2027, 11, 30), (2028, 2, 29)),  # but one more in a leap year
        ((2027, 12, 31), (2028, 3, 31)),
        ((2027, 1, 31), (2027, 4, 30)),
        ((2027, 3, 15), (2027, 6, 15)),  # over the change of clocks: the hour in UTC stays
        ((2027, 8, 31), (2027, 11, 30)),
    ],
)
def test_an_extension_ends_three_months_after_receipt(received: tuple[int, ...], longest: tuple[int, ...]) -> None:
    came, latest = at(*received, 13, 45), at(*longest, 13, 45)
    assert longest_due_at(came) == latest
    check_extension(request(came), latest, came + timedelta(days=1))
    with pytest.raises(AppError) as late:
        check_extension(request(came), latest + timedelta(seconds=1), came)
    assert late.value.code == "INVALID_EXTENSION"


def test_an_extension_is_announced_in_the_first_month_or_never() -> None:
    came = at(2027, 1, 1, 12, 0)  # 30 days end on the 31st, the month on 1 February
    until, month = at(2027, 3, 1), months_after(came, 1)
    assert due_at(came) == at(2027, 1, 31, 12, 0) < month == at(2027, 2, 1, 12, 0)
    check_extension(request(came), until, month)
    for view, when, code in (
        (request(came), month + timedelta(microseconds=1), "MONTH_OVER"),
        (request(came, extended_until=at(2027, 2, 20)), came, "EXTENDED_ALREADY"),
        (request(came, status="closed"), came, "REQUEST_CLOSED"),
    ):
        with pytest.raises(AppError) as refused:
            check_extension(view, until, when)
        assert refused.value.code == code
    with pytest.raises(AppError):
        check_extension(request(came), due_at(came), came)


def test_late_and_a_missed_promise_are_two_things() -> None:
    came = at(2027, 1, 1)
    plain, extended = request(came), request(came, extended_until=at(2027, 3, 20))
    after = due_at(came) + timedelta(seconds=1)
    assert not plain.is_overdue(due_at(came)) and plain.is_overdue(after)
    assert not extended.is_overdue(after) and extended.missed_promise(after), "extended, and the 30 days not kept"
    assert extended.is_overdue(at(2027, 3, 20, 0, 0, 1)) and extended.answer_by == at(2027, 3, 20)


@pytest.mark.parametrize(
    ("left", "reminder"),
    [
        (timedelta(days=7, seconds=1), None),
        (timedelta(days=7), "7"),
        (timedelta(days=3, seconds=1), "7"),
        (timedelta(days=3), "3"),
        (timedelta(days=1), "1"),
        (timedelta(0), "1"),
        (timedelta(seconds=-1), "late:0"),
        (timedelta(days=-1), "late:1"),
        (timedelta(days=-40, hours=-3), "late:40"),
    ],
)
def test_reminders_come_at_seven_three_and_one_day_and_daily_when_late(left: timedelta, reminder: str | None) -> None:
    now = at(2028, 2, 28, 23, 0)  # a leap day lies ahead
    assert reminder_for(now + left, now) == reminder
