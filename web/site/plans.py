"""The plans as the public page shows them: the figures of the plans themselves, in words."""

from dataclasses import asdict, dataclass

from core.accounts.plans import PLANS, Plan
from core.credits.plan_words import Allowed, allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard(Allowed):
    """One plan in words, with its price."""

    name: str
    price: str
    per: str


def _card(plan: Plan) -> PlanCard:
    return PlanCard(
        name=plan.title,
        price="As agreed" if plan.price_eur is None else f"{plan.price_eur} EUR",
        per="a month" if plan.price_eur else "",
        **asdict(allowed(plan)),
    )


PLAN_CARDS = tuple(map(_card, PLANS.values()))
