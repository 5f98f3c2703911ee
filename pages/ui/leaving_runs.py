"""What a smaller plan deletes of a person's runs, when, and how to take them out first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from core.accounts.domain import Account
from core.accounts.plans import Plan
from core.credits.plan_words import logs_go_at
from core.execution.run_retention import runs_before

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

EXPORT = "/api/runs/export?format="


def what_goes(runtime: Runtime, account: Account, then: Plan, at: datetime, before: datetime) -> str:
    """Sentences in HTML about a change to a plan at a time that deletes runs from before a moment."""
    number = runs_before(runtime, account.id, before)
    kept = f"From {_day(logs_go_at(at))} on, a week after the change, runs are kept for {then.log_days} days."
    if number == 0:
        return f"{kept} None of your runs is from before {_day(before)}, so none would be deleted."
    which = "run" if number == 1 else "runs"
    return (
        f"{kept} <b>{number:,} {which} from before {_day(before)} will be deleted on that day.</b> To keep what is in "
        f'them, download before: <a class="sq-link" href="{EXPORT}csv" download="runs.csv">the list (CSV)</a> or '
        f'<a class="sq-link" href="{EXPORT}ndjson" download="runs.ndjson">everything, with outputs (NDJSON)</a>.'
    )


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
