"""When a cron expression is due in a time zone, above all where the clock changes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from core.execution.schedules import LATE, due_times
from core.pipelines.cron import check_cron, explain_cron, next_times, times_until
from core.shared.errors import InvalidInput

PARIS = "Europe/Paris"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_times_follow_the_clock_of_the_zone() -> None:
    before, after = at("2026-03-27T12:00"), at("2026-10-23T12:00")
    assert next_times("0 9 * * *", PARIS, before, 3) == (
        at("2026-03-28T08:00"), at("2026-03-29T07:00"), at("2026-03-30T07:00"),
    )  # fmt: skip
    assert next_times("0 9 * * *", PARIS, after, 3) == (
        at("2026-10-24T07:00"), at("2026-10-25T08:00"), at("2026-10-26T08:00"),
    )  # fmt: skip


def test_a_time_that_is_skipped_is_due_after_the_gap_and_one_that_comes_twice_once() -> None:
    spring = next_times("30 2 * * *", PARIS, at("2026-03-28T12:00"), 2)
    assert spring == (at("2026-03-29T01:00"), at("2026-03-30T00:30")), "2:30 does not exist that night"
    autumn = next_times("30 2 * * *", PARIS, at("2026-10-24T12:00"), 2)
    assert autumn == (at("2026-10-25T00:30"), at("2026-10-26T01:30")), "2:30 comes twice that night"


def test_every_quarter_of_an_hour_stays_one_through_both_changes() -> None:
    for start in ("2026-03-28T20:00", "2026-10-24T20:00"):
        times = next_times("*/15 * * * *", PARIS, at(start), 60)
        assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("expression", "zone", "code"),
    [
        ("", "UTC", "INVALID_CRON"),
        ("* * * *", "UTC", "INVALID_CRON"),
        ("* * * * * *", "UTC", "INVALID_CRON"),
        ("60 * * * *", "UTC", "INVALID_CRON"),
        ("0 0 30 2 *", "UTC", "INVALID_CRON"),
        ("@daily", "UTC", "INVALID_CRON"),
        ("0 9 * * MO" + "N" * 100, "UTC", "INVALID_CRON"),
        ("0 9 * * *", "Mars/Olympus", "INVALID_TIMEZONE"),
        ("0 9 * * *", "../etc/passwd", "INVALID_TIMEZONE"),
        ("0 9 * * *", "", "INVALID_TIMEZONE"),
    ],
)
def test_what_is_no_schedule_is_refused_with_its_reason(expression: str, zone: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_cron(expression, zone)
    assert caught.value.code == code


def test_an_expression_is_said_in_words() -> None:
    check_cron("0 9 * * 1", PARIS)
    assert explain_cron("0 9 * * 1") == "At 09:00 on Monday"


def test_only_the_newest_times_are_kept() -> None:
    times = times_until("* * * * *", "UTC", at("2026-11-01T00:00"), at("2026-11-02T00:00"), 3)
    assert times == (at("2026-11-01T23:58"), at("2026-11-01T23:59"), at("2026-11-02T00:00"))


def test_missed_times_are_dealt_with_as_asked() -> None:
    now = at("2026-11-24T12:00")
    late = [now - timedelta(hours=2), now - timedelta(hours=1)]
    for missed, expected in (("skip", ()), ("once", (late[1],)), ("all", tuple(late))):
        assert due_times(late, missed, now) == expected  # type: ignore[arg-type]
    with_one_on_time = [*late, now - LATE]
    for missed, expected in (("skip", (now - LATE,)), ("once", (now - LATE,)), ("all", tuple(with_one_on_time))):
        assert due_times(with_one_on_time, missed, now) == expected  # type: ignore[arg-type]
