"""What a change of plan changes, in words: for pages, and for mails in the person's language. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.accounts.plans import Plan

NBSP = "\u00a0"
WORDS = {
    "en": {
        "credits": "Credits a month",
        "runs": "Runs a day",
        "pipelines": "Pipelines",
        "steps": "Steps a pipeline",
        "automation": "Schedules, webhooks, API keys",
        "logs": "Days that runs are kept",
        "unlimited": "unlimited",
        "yes": "yes",
        "no": "no",
        "colon": ": ",
        "go": "Runs from before {day} are deleted on that day.",
    },
    "fr": {
        "credits": "Crédits par mois",
        "runs": "Exécutions par jour",
        "pipelines": "Pipelines",
        "steps": "Étapes par pipeline",
        "automation": "Planifications, webhooks, clés API",
        "logs": "Jours de conservation des exécutions",
        "unlimited": "illimité",
        "yes": "oui",
        "no": "non",
        "colon": f"{NBSP}: ",
        "go": "Les exécutions antérieures au {day} seront supprimées ce jour-là.",
    },
}
_READ: dict[str, Callable[[Plan], int | bool | None]] = {
    "credits": lambda plan: plan.monthly_credits,
    "runs": lambda plan: plan.runs_a_day,
    "pipelines": lambda plan: plan.pipelines,
    "steps": lambda plan: plan.steps,
    "automation": lambda plan: plan.automation,
    "logs": lambda plan: plan.log_days,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two plans allow differently, in words."""

    what: str
    before: str
    after: str


def differences(before: Plan, after: Plan, language: str = "en") -> tuple[Difference, ...]:
    """All that changes from one plan to another."""
    words = WORDS[language]
    return tuple(
        Difference(words[name], _said(read(before), words), _said(read(after), words))
        for name, read in _READ.items()
        if read(before) != read(after)
    )


def logs_go_before(before: Plan, after: Plan, at: datetime) -> datetime | None:
    """When a plan changes at a time, runs older than this are deleted; None where they are kept as long as before."""
    return at - timedelta(days=after.log_days) if after.log_days < before.log_days else None


def changes_text(before: Plan, after: Plan, at: datetime, language: str) -> str:
    """A line a difference, and what becomes of old runs."""
    words = WORDS[language]
    lines = [
        f"{each.what}{words['colon']}{each.before} → {each.after}" for each in differences(before, after, language)
    ]
    oldest = logs_go_before(before, after, at)
    return "\n".join([*lines, *([words["go"].format(day=f"{oldest:%Y-%m-%d}")] if oldest else [])])


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a plan allows, a sentence each, as its price list says it."""

    credits: str
    runs: str
    pipelines: str
    steps: str
    triggers: str
    logs: str


def allowed(plan: Plan) -> Allowed:
    """The sentences of a plan."""
    return Allowed(
        credits="Credits as agreed" if plan.monthly_credits is None else f"{plan.monthly_credits:,} credits a month",
        runs="Runs as agreed" if plan.runs_a_day is None else f"{plan.runs_a_day} runs a day",
        pipelines="Unlimited pipelines" if plan.pipelines is None else f"{plan.pipelines} pipelines",
        steps=f"{plan.steps} steps a pipeline",
        triggers="Schedules, webhooks, API keys" if plan.automation else "No schedules, webhooks or keys",
        logs="Logs kept 1 year" if plan.log_days == 365 else f"Logs kept {plan.log_days} days",
    )


def _said(value: int | bool | None, words: dict[str, str]) -> str:
    if value is None:
        return words["unlimited"]
    if isinstance(value, bool):
        return words["yes" if value else "no"]
    return f"{value:,}".replace(",", NBSP if words is WORDS["fr"] else ",")
