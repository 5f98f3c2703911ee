"""By when a request is answered: a calendar month, and never later than the promised 30 days."""

from datetime import UTC, datetime

import pytest

from core.privacy.domain import due_at


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ((2027, 1, 31), (2027, 2, 28)),
        ((2028, 1, 31), (2028, 2, 29)),
        ((2027, 1, 15), (2027, 2, 14)),  # 31 days in January: 30 days come first
        ((2027, 2, 10), (2027, 3, 10)),  # 28 days: the month comes first
        ((2028, 2, 10), (2028, 3, 10)),
        ((2027, 4, 30), (2027, 5, 30)),
        ((2026, 12, 31), (2027, 1, 30)),
        ((2027, 3, 20), (2027, 4, 19)),  # over the change of clocks: days are counted in UTC
    ],
)
def test_the_earlier_of_a_month_and_thirty_days(received: tuple[int, int, int], due: tuple[int, int, int]) -> None:
    at = datetime(*received, 13, 45, tzinfo=UTC)
    assert due_at(at) == datetime(*due, 13, 45, tzinfo=UTC)
