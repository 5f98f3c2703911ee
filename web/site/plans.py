"""The plans as the public page shows them: the figures of the plans themselves, in words."""

from dataclasses import dataclass

from core.accounts.plans import PLANS, Plan


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


def _card(plan: Plan) -> PlanCard:
    return PlanCard(
        name=plan.title,
        price="As agreed" if plan.price_eur is None else f"{plan.price_eur} EUR",
        per="a month" if plan.price_eur else "",
        credits="Credits as agreed" if plan.monthly_credits is None else f"{plan.monthly_credits:,} credits a month",
        runs="Runs as agreed" if plan.runs_a_day is None else f"{plan.runs_a_day} runs a day",
        pipelines="Unlimited pipelines" if plan.pipelines is None else f"{plan.pipelines} pipelines",
        steps=f"{plan.steps} steps a pipeline",
        triggers="Schedules, webhooks, API keys" if plan.automation else "No schedules, webhooks or keys",
        logs="Logs kept 1 year" if plan.log_days == 365 else f"Logs kept {plan.log_days} days",
    )


PLAN_CARDS = tuple(map(_card, PLANS.values()))
