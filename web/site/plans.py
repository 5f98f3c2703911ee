"""The plans as the public page shows them: the figures of the plans themselves, in words."""

from dataclasses import dataclass

from core.credits.domain import PLANS
from core.pipelines.plan_limits import limits_of

# What a plan costs is fixed by its offer, not by any rule of the code: EUR a month, None where it is agreed.
PRICES_EUR = {"free": 0, "starter": 19, "pro": 49, "enterprise": None}


@dataclass(frozen=True, slots=True)
class PlanCard:
    """One plan in words."""

    name: str
    price: str
    per: str
    credits: str
    runs: str
    pipelines: str
    steps: str
    triggers: str
    logs: str


def _card(name: str, price: int | None) -> PlanCard:
    plan, limits, free = PLANS[name], limits_of(name), price == 0
    return PlanCard(
        name=name.capitalize(),
        price="As agreed" if price is None else f"{price} EUR",
        per="a month" if price else "",
        credits="Credits as agreed" if plan.monthly_credits is None else f"{plan.monthly_credits:,} credits a month",
        runs="Runs as agreed" if plan.runs_a_day is None else f"{plan.runs_a_day} runs a day",
        pipelines="Unlimited pipelines" if limits.pipelines is None else f"{limits.pipelines} pipelines",
        steps=f"{limits.steps} steps a pipeline",
        triggers="No schedules, webhooks or keys" if free else "Schedules, webhooks, API keys",
        logs="Logs kept 90 days" if free else "Logs kept 1 year",
    )


PLAN_CARDS = tuple(_card(name, price) for name, price in PRICES_EUR.items())
