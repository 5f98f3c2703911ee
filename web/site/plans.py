"""The plans as the public page shows them."""

from dataclasses import dataclass


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


TRIGGERS = "Cron, webhooks and API keys"
PLAN_CARDS = (
    PlanCard(
        name="Free",
        price="0 EUR",
        per="",
        credits="100 credits a month",
        runs="10 runs a day",
        pipelines="3 pipelines",
        steps="5 steps a pipeline",
        triggers="No cron, webhooks or API keys",
        logs="Logs kept 90 days",
    ),
    PlanCard(
        name="Starter",
        price="19 EUR",
        per="a month",
        credits="2,000 credits a month",
        runs="100 runs a day",
        pipelines="10 pipelines",
        steps="10 steps a pipeline",
        triggers=TRIGGERS,
        logs="Logs kept 1 year",
    ),
    PlanCard(
        name="Pro",
        price="49 EUR",
        per="a month",
        credits="8,000 credits a month",
        runs="500 runs a day",
        pipelines="Unlimited pipelines",
        steps="20 steps a pipeline",
        triggers=TRIGGERS,
        logs="Logs kept 1 year",
    ),
    PlanCard(
        name="Enterprise",
        price="As agreed",
        per="",
        credits="Credits as agreed",
        runs="Runs as agreed",
        pipelines="Unlimited pipelines",
        steps="50 steps a pipeline",
        triggers=TRIGGERS,
        logs="Logs kept 1 year",
    ),
)
