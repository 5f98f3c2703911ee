"""Runs of anybody as a table of what the machine knows, and nothing of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from core.accounts.plans import PLANS
from core.execution.oversight import RunFacts
from core.execution.stuck import SAYS
from core.shared.money import format_credits
from pages.ui.badges import state_badge, text_badge
from pages.ui.filters import link_html
from pages.ui.people import person_link
from pages.ui.words import count, duration, time_html, trigger

_STUCK = {"lease_lapsed": "nobody at it", "pending_long": "waits long", "running_long": "runs long"}


def facts_table(runs: Sequence[RunFacts], now: datetime, *, opens: bool = False, with_person: bool = False) -> str:
    """The table as HTML. `opens`: a look is open, so each run leads to what is in it."""
    person = '<th scope="col">Person</th>' if with_person else ""
    head = (
        f'<th scope="col">Run</th><th scope="col">Status</th>{person}<th scope="col">Trigger</th>'
        '<th scope="col">Plan</th><th scope="col">Started</th><th scope="col" class="sq-num">Duration</th>'
        '<th scope="col" class="sq-num">Steps</th><th scope="col">Model</th><th scope="col" class="sq-num">Credits</th>'
        '<th scope="col">Error</th>'
    )
    rows = "".join(_row(run, now, opens=opens, with_person=with_person) for run in runs)
    return (
        '<div class="sq-scroll"><table class="sq-table sq-runs sq-everybody"><thead><tr>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(run: RunFacts, now: datetime, *, opens: bool, with_person: bool) -> str:
    end = f"…{run.id[-8:]}"
    name = f'<code title="{escape(run.id)}">{escape(end)}</code>'
    if opens:
        name = link_html("person", {"person": run.owner_id, "run": run.id}, end)
    stuck = text_badge(_STUCK[run.stuck], "amber", SAYS[run.stuck]) if run.stuck else ""
    models = "<br>".join(escape(name.removeprefix("demo/")) for name in run.models)
    error = f"<code>{escape(run.error_code)}</code>" if run.error_code else ""
    person = f'<td class="sq-cell-who">{person_link(run.owner_id)}</td>' if with_person else ""
    return (
        f'<tr><td class="sq-cell-name">{name}</td>'
        f'<td class="sq-cell-status">{state_badge(run.status, run=True)} {stuck}</td>{person}'
        f'<td class="sq-cell-trigger">{escape(trigger(run.trigger_type))}</td>'
        f'<td class="sq-cell-long">{PLANS[run.plan].title}</td>'
        f'<td class="sq-cell-time">{time_html(run.started_at or run.created_at, now)}</td>'
        f'<td class="sq-num sq-cell-long">{duration(run.duration_ms)}</td>'
        f'<td class="sq-num sq-cell-long" title="{count(run.steps, "attempt")}">{run.steps:,}</td>'
        f'<td class="sq-cell-long">{models}</td>'
        f'<td class="sq-num sq-cell-cost">{format_credits(run.credit_micros)}</td>'
        f'<td class="sq-cell-error">{error}</td></tr>'
    )
