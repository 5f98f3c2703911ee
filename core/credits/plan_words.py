"""What a change of plan changes, in words: for pages, and for mails in the person's language. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.accounts.plans import LOGS_GRACE, Plan

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
        "go": "Runs from before {day} are deleted on {gone}, a week after the change.",
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
        "go": "Les exécutions antérieures au {day} seront supprimées le {gone}, une semaine après le changement.",
    },
}
HAVE = {
    "en": {0: "You have none now.", 1: "That is 1 of the runs you have now."},
    "fr": {0: "Vous n’en avez aucune à ce jour.", 1: "Cela concerne 1 des exécutions que vous avez à ce jour."},
}
MANY = {
    "en": "That is {runs} of the runs you have now.",
    "fr": "Cela concerne {runs} des exécutions que vous avez à ce jour.",
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
    """When a plan changes at a time, runs older than this are deleted at `logs_go_at`; None where all are kept."""
    return logs_go_at(at) - timedelta(days=after.log_days) if after.log_days < before.log_days else None


def logs_go_at(at: datetime) -> datetime:
    """When runs begin to be deleted by the days of a plan that was changed to at a time."""
    return at + LOGS_GRACE


def changes_text(before: Plan, after: Plan, at: datetime, language: str, runs: int = 0) -> str:
    """A line a difference, and what becomes of old runs: `runs` is how many of the present ones are that old."""
    words = WORDS[language]
    lines = [
        f"{each.what}{words['colon']}{each.before} → {each.after}" for each in differences(before, after, language)
    ]
    oldest = logs_go_before(before, after, at)
    if oldest is not None:
        go = words["go"].format(day=f"{oldest:%Y-%m-%d}", gone=f"{logs_go_at(at):%Y-%m-%d}")
        have = HAVE[language].get(runs) or MANY[language].format(runs=_said(runs, words))
        lines.append(f"{go} {have}")
    return "\n".join(lines)


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
