"""The plans: the one table of what each allows, and one refusal a limit, which says what would lift it. Pure.

What a plan costs is here too, so that every page prints the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from core.shared.errors import Forbidden, InvalidInput, LimitExceeded


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan allows. None is unlimited, or as agreed.

    `automation`: schedules, webhooks and API keys. `credit_value_cents`: US cents of usage that a credit buys.
    `log_days`: how long runs and their files are kept. `price_eur`: a month, paid monthly.
    """

    name: str
    monthly_credits: int | None
    runs_a_day: int | None
    pipelines: int | None
    steps: int
    automation: bool
    price_eur: int | None
    credit_value_cents: Decimal
    log_days: int

    @property
    def title(self) -> str:
        """Its name as people read it."""
        return self.name.capitalize()


PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("free", 100, 10, 3, 5, False, 0, Decimal("1"), 90),
        Plan("starter", 2_000, 100, 10, 10, True, 19, Decimal("1"), 365),
        Plan("pro", 8_000, 500, None, 20, True, 49, Decimal("0.8"), 365),
        Plan("enterprise", None, None, None, 50, True, None, Decimal("0.8"), 365),
    )
}
"""From the smallest to the largest."""
GRANTED = tuple(plan.name for plan in PLANS.values() if plan.monthly_credits is not None)
"""The plans that count credits."""
SHORTEST_LOG_DAYS = min(plan.log_days for plan in PLANS.values())
LOGS_GRACE = timedelta(days=7)
"""How much longer runs are kept after a plan was lowered: time to take them out, or to take the change back."""
UNAUTOMATED = tuple(plan.name for plan in PLANS.values() if not plan.automation)
"""The plans on which only people start runs."""


def check_plan(name: str) -> str:
    """The name of a plan there is. Raises InvalidInput."""
    if name not in PLANS:
        raise InvalidInput("UNKNOWN_PLAN", f"Choose one of the plans {', '.join(PLANS)}.", field="plan")
    return name


def check_automation(plan: str) -> None:
    """Raises Forbidden PLAN_LIMIT where the plan lets nothing but a person start a run."""
    if not PLANS[plan].automation:
        larger = next(each for each in PLANS.values() if each.automation)
        raise Forbidden(
            "PLAN_LIMIT",
            f"The {PLANS[plan].title} plan has no schedules, webhooks and API keys. The {larger.title} plan and those "
            "above it have them.",
            limit="automation",
        )


def check_pipelines(plan: str, have: int) -> None:
    """Before one more is made or brought back. Raises LimitExceeded PLAN_LIMIT."""
    limit = PLANS[plan].pipelines
    if limit is not None and have >= limit:
        raise _beyond(
            plan, "pipelines", f"allows {limit} pipelines, and you have {have}. Archive one",
            lambda larger: _more(larger.pipelines, limit, "pipelines"),
        )  # fmt: skip


def check_steps(plan: str, steps: int) -> None:
    """Before a pipeline is saved or run; inner steps count. Raises LimitExceeded PLAN_LIMIT."""
    limit = PLANS[plan].steps
    if steps > limit:
        raise _beyond(
            plan, "steps", f"allows {limit} steps a pipeline, and this has {steps}. Merge steps, or call another "
            "pipeline for some of them", lambda larger: _more(larger.steps, steps - 1, "steps"),
        )  # fmt: skip


def check_runs(plan: str, today: int) -> None:
    """Before one more run begins on a day (UTC). Raises LimitExceeded PLAN_LIMIT."""
    limit = PLANS[plan].runs_a_day
    if limit is not None and today >= limit:
        raise _beyond(
            plan, "runs_a_day", f"allows {limit} runs a day, and today’s were all started. The count begins again at "
            "midnight UTC", lambda larger: _more(larger.runs_a_day, limit, "runs a day"),
        )  # fmt: skip


def _more(allowed: int | None, than: int, what: str) -> str | None:
    """What a plan allows in words, where that is more."""
    if allowed is None:
        return f"unlimited {what}"
    return f"{allowed:,} {what}" if allowed > than else None


def _beyond(plan: str, limit: str, text: str, more: Callable[[Plan], str | None]) -> LimitExceeded:
    lifted = next(((each.title, words) for each in PLANS.values() if (words := more(each))), None)
    lifts = f"; {lifted[0]} allows {lifted[1]}." if lifted else "; no plan allows more."
    return LimitExceeded("PLAN_LIMIT", f"The {PLANS[plan].title} plan {text}{lifts}", limit=limit)
