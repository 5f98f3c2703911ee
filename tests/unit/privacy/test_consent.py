"""Choices count for six months, yes and no alike; the newest counts; what is over is open again."""

from datetime import UTC, datetime, timedelta

import pytest

from core.accounts.consent_rules import PURPOSES, TEXTS, Choice, Source, state_of
from core.shared.months import months_after

AT = datetime(2026, 8, 31, 12, 0, tzinfo=UTC)


def choice(granted: bool, at: datetime = AT, source: Source = "banner") -> Choice:
    return Choice("device_analytics", granted, "2026-11-25", source, at)


@pytest.mark.parametrize("granted", [True, False])
def test_a_choice_counts_for_six_months(granted: bool) -> None:
    end = datetime(2027, 2, 28, 12, 0, tzinfo=UTC)
    assert choice(granted).until == end == months_after(AT, 6)
    said = "granted" if granted else "refused"
    assert state_of("device_analytics", [choice(granted)], AT).stand == said
    assert state_of("device_analytics", [choice(granted)], end - timedelta(seconds=1)).stand == said
    after = state_of("device_analytics", [choice(granted)], end)
    assert after.stand == "open" and not after.is_granted and after.choice is not None


def test_nothing_is_granted_until_somebody_says_so() -> None:
    for purpose in PURPOSES:
        assert state_of(purpose, [], AT).stand == "open" and not state_of(purpose, [], AT).is_granted
        versions = [text.version for text in TEXTS[purpose]]
        assert versions == sorted(set(versions))


def test_the_newest_choice_counts_in_whatever_order() -> None:
    later = choice(False, AT + timedelta(hours=1))
    for order in ([choice(True), later], [later, choice(True)]):
        assert state_of("device_analytics", order, AT + timedelta(days=1)).stand == "refused"
    assert state_of("product_news", [later], AT).stand == "open", "one purpose says nothing about another"
