"""Which runs are stuck."""

from datetime import UTC, datetime, timedelta

import pytest

from core.execution.stuck import SAYS, Progress, Why, why_stuck

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return NOW - timedelta(minutes=number)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (Progress("pending", minutes(9), None, None, None), None),
        (Progress("pending", minutes(11), None, None, None), "pending_long"),
        (Progress("running", minutes(500), minutes(90), minutes(-0.2), None), None),
        (Progress("running", minutes(500), minutes(121), minutes(-0.2), None), "running_long"),
        (Progress("running", minutes(5), minutes(4), minutes(0.5), None), None),
        (Progress("running", minutes(5), minutes(4), minutes(2), None), "lease_lapsed"),
        (Progress("pending", minutes(5), None, minutes(2), None), "lease_lapsed"),
        (Progress("running", minutes(500), minutes(400), None, minutes(-30)), None),
        (Progress("pending", minutes(500), minutes(400), None, minutes(2)), "pending_long"),
        (Progress("waiting", minutes(5_000), minutes(5_000), minutes(4_000), None), None),
        (Progress("completed", minutes(5_000), minutes(5_000), minutes(4_000), None), None),
    ],
)
def test_why(run: Progress, why: Why | None) -> None:
    assert why_stuck(run, NOW) == why


def test_each_reason_says_what_to_do() -> None:
    assert all(text.count(".") >= 2 for text in SAYS.values())
