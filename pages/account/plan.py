"""A person's plan: what it allows, how much of it is used, what others allow, and what was announced."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.domain import Account
from core.accounts.plans import PLANS, Plan
from core.bootstrap import get_runtime
from core.credits.domain import PlannedChange
from core.credits.queries import balance, plan_standing
from core.execution.usage import run_usage
from core.pipelines.queries import count_pipelines
from core.shared.money import format_credits
from pages.ui.badges import text_badge
from pages.ui.leaving_runs import what_goes
from pages.ui.navigator import base_path
from pages.ui.session import current_session
from pages.ui.words import time_html

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

ROWS: tuple[tuple[str, Callable[[Plan], str]], ...] = (
    ("Credits a month", lambda plan: _number(plan.monthly_credits, "as agreed")),
    ("Runs a day", lambda plan: _number(plan.runs_a_day, "as agreed")),
    ("Pipelines", lambda plan: _number(plan.pipelines, "unlimited")),
    ("Steps a pipeline", lambda plan: str(plan.steps)),
    ("Schedules, webhooks, API keys", lambda plan: "yes" if plan.automation else "no"),
    ("Runs are kept", lambda plan: "1 year" if plan.log_days == 365 else f"{plan.log_days} days"),
    ("Price a month", lambda plan: "as agreed" if plan.price_eur is None else f"{plan.price_eur} EUR"),
)


def plan_page() -> None:
    """What was announced, what is used of the plan, and the plans side by side."""
    runtime = get_runtime()
    account = current_session(runtime).account
    standing = plan_standing(runtime, account)
    plan, now = PLANS[account.plan], runtime.clock.now()
    renews = f"New credits on {_day(standing.renews_at)}. " if standing.renews_at else ""
    st.html(
        f'<h1 class="sq-title">{plan.title} plan</h1><p class="sq-facts sq-intro">Since '
        f"{time_html(standing.since, now)}. {renews}{_how_it_changes(runtime)}</p>"
    )
    if standing.planned is not None:
        _draw_planned(runtime, account, plan, standing.planned)
    _draw_use(runtime, account, plan)
    st.html(f'<h2 class="sq-id">All plans</h2>{_comparison(plan)}')


def _how_it_changes(runtime: Runtime) -> str:
    if runtime.settings.stripe_secret_key:
        return f'You change it under <a class="sq-link" href="{base_path()}billing" target="_self">Billing</a>.'
    return "No payment is set up here: an admin of this installation sets the plans. Ask one for another."


def _draw_planned(runtime: Runtime, account: Account, plan: Plan, planned: PlannedChange) -> None:
    """The change that comes, what it means, and how to keep what would go."""
    changes = "".join(
        f'<tr><td>{each.what}</td><td class="sq-num">{each.before}</td><td class="sq-num"><b>{each.after}</b></td></tr>'
        for each in planned.differences
    )
    means = [
        "The credits you have on that day stay until their month ends.",
        "No pipeline, schedule or key is deleted.",
    ]
    if planned.then.pipelines is not None or planned.then.steps < planned.now.steps:
        means.append("Pipelines beyond the new limits stay readable, and can be exported.")
    if planned.now.automation and not planned.then.automation:
        means.append("Schedules are paused, and API keys and webhooks are refused, until a plan has them again.")
    if planned.logs_go_before is not None:
        means.append(what_goes(runtime, account, planned.then, planned.at, planned.logs_go_before))
    items = "".join(f"<li>{each}</li>" for each in means)
    with st.container(border=True, key="plan-planned"):
        st.html(
            f'<div class="sq-row"><h2 class="sq-id">{planned.then.title} from {_day(planned.at)}</h2>'
            f"{text_badge('announced', 'amber')}</div>"
            f'<p class="sq-facts">Until then nothing changes.</p><table class="sq-table sq-plans"><thead><tr><th>'
            f'What changes</th><th class="sq-num">{plan.title}</th><th class="sq-num">{planned.then.title}</th></tr>'
            f'</thead><tbody>{changes}</tbody></table><ul class="sq-plain-list">{items}</ul>'
        )


def _draw_use(runtime: Runtime, account: Account, plan: Plan) -> None:
    credits, used = balance(runtime, account), run_usage(runtime, account.id)
    pipelines = count_pipelines(runtime, account.id)
    with st.container(key="figures"):
        left, runs, kept = st.columns(3)
    shown = "Unlimited" if credits.unlimited else format_credits(credits.available_micros)
    left.metric("Credits left", shown, border=True)
    runs.metric("Runs today", f"{used.runs_today}{_of(plan.runs_a_day)}", border=True)
    kept.metric("Pipelines", f"{pipelines}{_of(plan.pipelines)}", border=True)


def _comparison(mine: Plan) -> str:
    yours = text_badge("yours", "green")
    head = "".join(f'<th class="sq-num">{plan.title} {yours if plan is mine else ""}</th>' for plan in PLANS.values())
    body = "".join(
        f"<tr><td>{escape(what)}</td>{''.join(f'<td class=sq-num>{say(plan)}</td>' for plan in PLANS.values())}</tr>"
        for what, say in ROWS
    )
    return (
        f'<div class="sq-scroll" tabindex="0" role="region" aria-label="All plans"><table class="sq-table sq-plans">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _number(value: int | None, unlimited: str) -> str:
    return unlimited if value is None else f"{value:,}"


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {limit:,}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
