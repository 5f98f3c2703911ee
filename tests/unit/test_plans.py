"""One refusal a limit: it names the plan, what it allows, and which plan allows more."""

import pytest

from core.accounts.plans import PLANS, check_automation, check_pipelines, check_plan, check_runs, check_steps
from core.shared.errors import Forbidden, InvalidInput, LimitExceeded

# CONTRACT, section 5.
TABLE = {
    "free": (100, 10, 3, 5, False, 0, "1", 90),
    "starter": (2_000, 100, 10, 10, True, 19, "1", 365),
    "pro": (8_000, 500, None, 20, True, 49, "0.8", 365),
    "enterprise": (None, None, None, 50, True, None, "0.8", 365),
}


def test_the_table_is_the_offer() -> None:
    found = {
        plan.name: (
            plan.monthly_credits, plan.runs_a_day, plan.pipelines, plan.steps, plan.automation, plan.price_eur,
            str(plan.credit_value_cents), plan.log_days,
        )
        for plan in PLANS.values()
    }  # fmt: skip
    assert found == TABLE


@pytest.mark.parametrize(
    ("check", "plan", "below", "at", "limit", "says"),
    [
        (check_pipelines, "free", 2, 3, "pipelines", "Archive one; Starter allows 10 pipelines."),
        (check_pipelines, "starter", 9, 10, "pipelines", "Pro allows unlimited pipelines."),
        (check_steps, "free", 5, 6, "steps", "Starter allows 10 steps."),
        (check_steps, "free", 5, 12, "steps", "Pro allows 20 steps."),
        (check_steps, "pro", 20, 50, "steps", "Enterprise allows 50 steps."),
        (check_steps, "pro", 20, 51, "steps", "no plan allows more."),
        (check_runs, "free", 9, 10, "runs_a_day", "midnight UTC; Starter allows 100 runs a day."),
        (check_runs, "pro", 499, 500, "runs_a_day", "Enterprise allows unlimited runs a day."),
    ],
)
def test_a_limit_says_what_lifts_it(check, plan, below, at, limit, says) -> None:
    check(plan, below)
    with pytest.raises(LimitExceeded) as refusal:
        check(plan, at)
    assert refusal.value.message.startswith(f"The {plan.capitalize()} plan allows ")
    assert refusal.value.message.endswith(says)
    assert (refusal.value.code, refusal.value.context) == ("PLAN_LIMIT", {"limit": limit})


def test_what_is_unlimited_is_never_refused() -> None:
    check_pipelines("pro", 10_000)
    check_runs("enterprise", 10_000)
    check_automation("starter")


def test_automation_and_unknown_plans_are_refused() -> None:
    with pytest.raises(Forbidden, match=r"Free plan has no schedules.*The Starter plan"):
        check_automation("free")
    with pytest.raises(InvalidInput, match="free, starter, pro, enterprise"):
        check_plan("gold")
