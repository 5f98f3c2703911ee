"""What a subscription gives, and what a withdrawal gives back: pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.credits.payments.domain import (
    Entitlement,
    Payment,
    Subject,
    Subscription,
    clean_code,
    entitlement,
    plan_cents,
    share_of,
    split_refund,
    subject_of,
    unused_share,
    withdrawal_end,
)
from core.shared.money import MICROS

NOW = datetime(2027, 3, 20, tzinfo=UTC)
START, END = datetime(2027, 3, 10, tzinfo=UTC), datetime(2027, 4, 10, tzinfo=UTC)


def subscription(**values: Any) -> Subscription:
    plain: dict[str, Any] = {
        "id": "sub", "customer_id": "cus", "account_id": "a", "status": "active", "plan": "pro", "interval": "monthly",
        "item_id": "si", "started_at": START, "period_start": START, "period_end": END,
    }  # fmt: skip
    return Subscription(**{**plain, **values})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Entitlement("pro")),
        ({"status": "trialing"}, Entitlement("pro")),
        ({"status": "past_due"}, Entitlement("pro", "free", datetime(2027, 3, 24, tzinfo=UTC))),
        ({"status": "unpaid"}, Entitlement("pro", "free", datetime(2027, 3, 24, tzinfo=UTC))),
        ({"status": "past_due", "period_start": START - timedelta(days=9)}, Entitlement()),
        ({"status": "incomplete"}, Entitlement()),
        ({"status": "incomplete_expired"}, Entitlement()),
        ({"status": "paused"}, Entitlement()),
        ({"status": "canceled", "ended_at": NOW}, Entitlement()),
        ({"status": "something new"}, Entitlement()),
        ({"plan": None}, Entitlement()),
        ({"ends_at": END}, Entitlement("pro", "free", END)),
        ({"ends_at": NOW}, Entitlement()),
        ({"next_plan": "starter", "next_at": END}, Entitlement("pro", "starter", END)),
        ({"next_plan": "starter", "next_at": END, "ends_at": END}, Entitlement("pro", "free", END)),
    ],
)
def test_what_a_subscription_gives(values: dict[str, Any], expected: Entitlement) -> None:
    assert entitlement([subscription(**values)], NOW) == expected


def test_the_best_of_several_counts() -> None:
    worse = subscription(plan="starter")
    assert entitlement([worse, subscription(ends_at=END), subscription(status="canceled")], NOW).plan == "pro"
    assert entitlement([], NOW) == Entitlement()


def test_prices() -> None:
    assert [plan_cents(plan, "monthly") for plan in ("starter", "pro")] == [1900, 4900]
    assert [plan_cents(plan, "yearly") for plan in ("starter", "pro")] == [20_520, 52_920]


def test_the_right_of_withdrawal_ends_with_the_fourteenth_day() -> None:
    assert withdrawal_end(datetime(2027, 3, 10, 23, 59, tzinfo=UTC)) == datetime(2027, 3, 25, tzinfo=UTC)


@given(used=st.integers(0, 30_000 * MICROS), plan=st.sampled_from(["starter", "pro"]))
def test_the_unused_part_is_a_part_and_falls_with_use(used: int, plan: str) -> None:
    share = unused_share(plan, "monthly", used)
    assert 0 <= share <= 1 and unused_share(plan, "monthly", used + MICROS) <= share
    assert unused_share(plan, "yearly", used) >= share
    assert 0 <= share_of(4900, share) <= 4900


def test_no_part_of_a_plan_without_a_number_is_unused() -> None:
    assert unused_share("enterprise", "monthly", 0) == 0 and unused_share("pro", "monthly", 0) == Decimal(1)


@given(st.integers(0, 20_000), st.lists(st.integers(0, 6_000), max_size=5))
def test_a_refund_is_split_among_payments_and_no_cent_more(amount: int, paid: list[int]) -> None:
    payments = [Payment(f"pi_{place}", each, "eur") for place, each in enumerate(paid)]
    parts = split_refund(amount, payments)
    assert sum(part for _, part in parts) == min(amount, sum(paid))
    assert all(0 < part <= payment.amount for payment, part in parts)


@pytest.mark.parametrize(
    ("kind", "thing", "expected"),
    [
        ("checkout.session.completed", {"id": "cs"}, Subject("checkout", "cs")),
        ("customer.subscription.deleted", {"id": "sub"}, Subject("subscription", "sub")),
        (
            "invoice.paid", {"id": "in", "parent": {"subscription_details": {"subscription": "sub"}}},
            Subject("subscription", "sub"),
        ),
        ("invoice.paid", {"id": "in", "subscription": "sub"}, Subject("subscription", "sub")),
        ("invoice.paid", {"id": "in", "parent": None}, None),
        ("refund.failed", {"id": "re"}, Subject("refund", "re")),
        ("charge.dispute.created", {"id": "dp"}, None),
        ("customer.updated", {"id": "cus"}, None),
    ],
)  # fmt: skip
def test_what_an_event_is_about(kind: str, thing: dict[str, Any], expected: Subject | None) -> None:
    assert subject_of(kind, thing) == expected


def test_a_code_is_compared_without_spaces_and_case() -> None:
    assert clean_code(" launch 27\n") == "LAUNCH27"
