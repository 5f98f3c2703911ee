"""The first page of the operators: what needs them, and how many people there are."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from core.accounts.plans import PLANS
from core.accounts.queries import installation_overview
from core.bootstrap import get_runtime
from core.platform.jobs.declared import declared_jobs
from core.platform.jobs.queries import list_jobs
from core.platform.mail.queries import outbox_figures
from core.privacy.checks.queries import count_broken
from core.privacy.queries import open_requests
from pages.ui.session import require_role
from pages.ui.words import count, until

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def overview_page() -> None:
    """What needs somebody today; counts of people, admins and plans."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    overview = installation_overview(runtime)
    st.html('<h1 class="sq-title">Overview</h1><p class="sq-facts">This installation, now.</p>')
    _draw_needs(_needs(runtime))
    with st.container(key="figures"):
        people, admins, _, _ = st.columns(4)
    people.metric("People", f"{overview.people:,}", border=True)
    admins.metric("Admins", f"{overview.admins:,}", border=True)
    plans = overview.by_plan.items()
    if plans:
        rows = "".join(
            f'<tr><td>{PLANS[plan].title}</td><td class="sq-num">{number:,}</td></tr>' for plan, number in plans
        )
        st.html(
            '<table class="sq-table sq-slim"><thead><tr><th>Plan</th><th class="sq-num">People</th></tr></thead>'
            f"<tbody>{rows}</tbody></table>"
        )


def _needs(runtime: Runtime) -> list[str]:
    """A line for each thing that waits for somebody."""
    now, lines = runtime.clock.now(), []
    requests = open_requests(runtime)
    if requests:
        first = escape(until(requests[0].answer_by, now))
        late = sum(view.is_overdue(now) for view in requests)
        over = f", {late} past due" if late else ""
        link = '<a class="sq-link" href="/app/privacy-requests" target="_self">Data requests</a>'
        said = f"{count(len(requests), 'request')} of data subjects{over}, the first due {first} ({link})"
        lines.append(said)
    failed = [view.job for view in list_jobs(runtime, declared_jobs(), runs=1) if view.runs and view.runs[0].error_code]
    if failed:
        names = ", ".join(f'<code class="sq-ref">{escape(job.name)}</code>' for job in failed)
        link = '<a class="sq-link" href="/app/admin-jobs" target="_self">Jobs</a>'
        lines.append(f"{count(len(failed), 'job')} failed last time: {names} ({link})")
    broken = count_broken(runtime)
    if broken:
        link = '<a class="sq-link" href="/app/admin-promises" target="_self">Promises</a>'
        lines.append(f"{count(broken, 'promise')} of the privacy policy broken ({link})")
    late = outbox_figures(runtime).queued_over_an_hour
    if late:
        lines.append(f"{count(late, 'mail')} not sent for more than an hour")
    return lines


def _draw_needs(lines: list[str]) -> None:
    with st.container(border=True, key="needs"):
        if lines:
            items = "".join(f"<li>{line}</li>" for line in lines)
            st.html(f'<h2 class="sq-id">Needs you</h2><ul class="sq-plain-list">{items}</ul>')
        else:
            nothing = "Nothing: no requests, failed jobs, broken promises or late mails."
            st.html(f'<h2 class="sq-id">Needs you</h2><p class="sq-facts">{nothing}</p>')


if __name__ == "__main__":
    overview_page()
