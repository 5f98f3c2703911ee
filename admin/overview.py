"""The first page of the operators: what needs them today, and a few figures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.plans import PLANS
from core.accounts.queries import installation_overview
from core.bootstrap import get_runtime
from core.credits.payments.queries import list_events, subscription_figures
from core.execution.oversight import active_runs, stuck_runs
from core.platform.bounded import MANY
from core.platform.jobs.advice import is_silent
from core.platform.jobs.declared import declared_jobs
from core.platform.jobs.queries import list_jobs
from core.platform.mail.queries import outbox_figures
from core.privacy.checks.queries import count_broken
from core.privacy.queries import open_requests
from pages.ui.filters import link_html
from pages.ui.session import require_role
from pages.ui.words import count, many, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

GIGABYTE = 1024**3


def overview_page() -> None:
    """What needs somebody today; counts of people, runs and plans."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    overview = installation_overview(runtime)
    st.html('<h1 class="sq-title">Overview</h1><p class="sq-facts">This installation, now.</p>')
    _draw_needs(needs(runtime))
    with st.container(key="figures"):
        places = st.columns(4)
    figures = (
        ("People", f"{overview.people:,}"),
        ("Admins", f"{overview.admins:,}"),
        ("Runs under way", many(active_runs(runtime), MANY)),
        ("Mails waiting", many(outbox_figures(runtime).queued, MANY)),
    )
    for place, (label, number) in zip(places, figures, strict=True):
        place.metric(label, number, border=True)
    if overview.by_plan:
        rows = "".join(
            f"<tr><td>{link_html('people', {'plan': plan}, PLANS[plan].title)}</td>"
            f'<td class="sq-num">{number:,}</td></tr>'
            for plan, number in ((plan, overview.by_plan[plan]) for plan in PLANS if plan in overview.by_plan)
        )
        st.html(
            '<table class="sq-table sq-slim"><thead><tr><th scope="col">Plan</th><th scope="col" class="sq-num">People'
            f"</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def needs(runtime: Runtime) -> list[str]:
    """A line for each thing that waits for somebody, with the room where it is dealt with."""
    lines = [*_requests(runtime), *_jobs(runtime), *_mails(runtime), *_payments(runtime)]
    broken = count_broken(runtime)
    if broken:
        lines.insert(1, f"{count(broken, 'promise')} of the privacy policy broken ({_room('admin-promises')})")
    stuck = stuck_runs(runtime)
    if stuck:
        lines.append(f"{count(len(stuck), 'run')} stuck ({_room('admin-runs')})")
    disk = runtime.measure_disk(runtime.settings.data_dir)
    if disk.is_low:
        left = f"{disk.free / GIGABYTE:,.1f} GB, {100 * disk.free // max(disk.total, 1)} %"
        lines.append(f"The disk of the data folder is nearly full: {left} free ({_room('admin-settings')})")
    return lines


def _requests(runtime: Runtime) -> list[str]:
    found, now = open_requests(runtime), runtime.clock.now()
    if not found:
        return []
    late = sum(view.is_overdue(now) for view in found)
    over = f", {late} past due" if late else ""
    first = escape(until(found[0].answer_by, now))
    said = f"{count(len(found), 'request')} of data subjects{over}, the first due {first}"
    return [f"{said} ({_room('privacy-requests')})"]


def _jobs(runtime: Runtime) -> list[str]:
    views = list_jobs(runtime, declared_jobs(), runs=1)
    failed = [view.job for view in views if view.runs and view.runs[0].error_code]
    lines = []
    if failed:
        names = ", ".join(f'<code class="sq-ref">{escape(job.name)}</code>' for job in failed)
        lines.append(f"{count(len(failed), 'job')} failed last time: {names} ({_room('admin-jobs')})")
    if is_silent(views, runtime.clock.now()):
        lines.append(f"No scheduler has looked for 5 minutes, so no job runs ({_room('admin-jobs')})")
    return lines


def _mails(runtime: Runtime) -> list[str]:
    late = outbox_figures(runtime).queued_over_an_hour
    return [f"{count(late, 'mail')} not sent for more than an hour ({_room('admin-mail')})"] if late else []


def _payments(runtime: Runtime) -> list[str]:
    lines = []
    stuck = sum(each.attempts > 0 for each in list_events(runtime))
    if stuck:
        lines.append(f"{count(stuck, 'message')} of Stripe’s that could not be carried out ({_room('admin-billing')})")
    unpaid = subscription_figures(runtime).overdue
    if unpaid:
        noun = "subscription" if unpaid == 1 else "subscriptions"
        lines.append(f"{many(unpaid, MANY)} {noun} not paid ({_room('admin-billing')})")
    return lines


_ROOMS = {
    "privacy-requests": "Data requests",
    "admin-promises": "Promises",
    "admin-jobs": "Jobs",
    "admin-runs": "Runs of everybody",
    "admin-mail": "Mail",
    "admin-billing": "Payments",
    "admin-settings": "Settings",
}


def _room(page: str) -> str:
    return link_html(page, {}, _ROOMS[page])


def _draw_needs(lines: list[str]) -> None:
    with st.container(border=True, key="needs"):
        if lines:
            items = "".join(f"<li>{line}</li>" for line in lines)
            st.html(f'<h2 class="sq-id">Needs you today</h2><ul class="sq-plain-list">{items}</ul>')
        else:
            nothing = (
                "Nothing: no requests, broken promises, failed jobs, stuck runs, late mails or unpaid "
                "subscriptions, and room on the disk."
            )
            st.html(f'<h2 class="sq-id">Needs you today</h2><p class="sq-facts">{nothing}</p>')


if __name__ == "__main__":
    overview_page()
