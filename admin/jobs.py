"""What the installation does by itself: each job, how its last runs went, and when it is due."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

import streamlit as st

from core.accounts.jobs_by_hand import run_job_now
from core.bootstrap import get_runtime
from core.platform.jobs.advice import advice, is_silent
from core.platform.jobs.declared import declared_jobs
from core.platform.jobs.domain import DIED, JobRun, JobView
from core.platform.jobs.queries import list_jobs
from pages.ui.badges import state_badge
from pages.ui.notices import attempt, draw_notices, say
from pages.ui.session import guarded, require_role
from pages.ui.words import count, duration, exact, joined, time_html, until

SHOWN = 5
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def jobs_page() -> None:
    """A card a job."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    st.html(
        '<h1 class="sq-title">Jobs</h1><p class="sq-facts sq-intro">What this installation does by itself, each time '
        "once, however many processes are running. Jobs that look every few seconds or minutes are listed where they "
        "found something to do.</p>"
    )
    draw_notices()
    now = runtime.clock.now()
    views = list_jobs(runtime, declared_jobs(), runs=SHOWN)
    if is_silent(views, now):
        st.html(
            '<div class="sq-trouble"><span>No scheduler has looked for 5 minutes, so no job runs. Start a process '
            "whose <code>STEPIQ_ROLES</code> has scheduler in it.</span></div>"
        )
    for view in sorted(views, key=lambda each: not _failed(each)):
        _draw_job(view, now)


def _failed(view: JobView) -> bool:
    """Whether its newest run that ended failed: it comes first."""
    ended = next((run for run in view.runs if run.finished_at is not None), None)
    return ended is not None and ended.error_code is not None


def _draw_job(view: JobView, now: datetime) -> None:
    job = view.job
    with st.container(border=True, key=f"job-{job.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            looked = f"looked {time_html(view.looked_at, now)}" if view.looked_at else ""
            coming = f'<span title="{exact(view.next_at)}">next {escape(until(view.next_at, now))}</span>'
            facts = joined(escape(_every(job.every)), looked if job.has_work else coming)
            st.html(
                f'<div class="sq-row"><span class="sq-id">{escape(job.says)}</span></div>'
                f'<div class="sq-facts"><code class="sq-ref">{escape(job.name)}</code> {facts}</div>'
            )
            st.button("Run now", key=f"job-run-{job.name}", on_click=_run_now, args=(job.name,))
        if not view.runs:
            st.html('<div class="sq-facts">It has had nothing to do.</div>')
            return
        if _failed(view):
            code = next(run.error_code for run in view.runs if run.error_code is not None)
            st.html(f'<div class="sq-trouble">{escape(advice(code))}</div>')
        rows = "".join(_row(run, now) for run in view.runs)
        st.html(
            '<table class="sq-table sq-slim"><thead><tr><th>When</th><th>State</th><th class="sq-num">Took</th>'
            f"<th>Result</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def _row(run: JobRun, now: datetime) -> str:
    state = "pending" if run.state == "asked" else run.state
    took = ""
    if run.started_at is not None and run.finished_at is not None:
        took = duration((run.finished_at - run.started_at) / timedelta(milliseconds=1))
    return (
        f"<tr><td>{time_html(run.scheduled_for, now)}</td><td>{state_badge(state, run=True)}</td>"
        f'<td class="sq-num">{escape(took)}</td><td>{escape(_result(run))}</td></tr>'
    )


def _result(run: JobRun) -> str:
    again = f"{count(run.attempts, 'attempt')}" if run.attempts > 1 else ""
    if run.state == "asked":
        return "waits for a scheduler"
    if run.error_code is not None:
        why = "its process died each time" if run.error_code == DIED else run.error_code
        return joined(why, again)
    if run.state == "running":
        return again
    return joined(f"{run.done:,} done" if run.done else "nothing to do", again)


def _every(every: timedelta) -> str:
    seconds = int(every.total_seconds())
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    number = seconds // size
    return f"every {unit}" if number == 1 else f"every {number:,} {unit}s"


@guarded
def _run_now(name: str) -> None:
    runtime = get_runtime()
    session = require_role(runtime, "admin")

    if attempt(lambda: run_job_now(runtime, session, name)):
        say("It runs within a few seconds.")


if __name__ == "__main__":
    jobs_page()
