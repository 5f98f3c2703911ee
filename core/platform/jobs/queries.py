"""Which times of jobs are due, and how the last ones went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import case, func, or_, select, tuple_

from core.platform.jobs.domain import Due, Job, JobRun, JobState, JobView
from core.platform.jobs.models import JobLookRow, JobRunRow
from core.platform.runtime import Runtime

OPEN = ("asked", "running")


def find_due(runtime: Runtime, jobs: Sequence[Job]) -> tuple[Due, ...]:
    """The times nobody has in hand, one a job at most: what somebody asked for, what a dead process left, what is due.

    Of times that were missed only the newest is due: a job deals with all there is.
    """
    now = runtime.clock.now()
    slots = {job.name: job.slot(now) for job in jobs}
    seen = select(JobRunRow).where(
        or_(JobRunRow.state.in_(OPEN), tuple_(JobRunRow.job, JobRunRow.scheduled_for).in_(list(slots.items())))
    )
    with runtime.database.read() as session:
        rows = session.scalars(seen.order_by(JobRunRow.scheduled_for)).all()
    known = {(row.job, row.scheduled_for) for row in rows}
    free = {
        row.job: row.scheduled_for
        for row in reversed(rows)
        if row.state == "asked" or (row.state == "running" and row.lease_until is not None and row.lease_until < now)
    }
    due = []
    for job in jobs:
        slot = slots[job.name]
        if job.name in free:
            due.append(Due(job, free[job.name]))
        elif (job.name, slot) not in known and (job.has_work is None or job.has_work(runtime, slot)):
            due.append(Due(job, slot))
    return tuple(due)


def list_jobs(runtime: Runtime, jobs: Sequence[Job], *, runs: int) -> tuple[JobView, ...]:
    """Each job with its newest runs, and when it is due next."""
    now = runtime.clock.now()
    views = []
    with runtime.database.read() as session:
        looks = {row.job: row.at for row in session.scalars(select(JobLookRow))}
        for job in jobs:
            mine = select(JobRunRow).where(JobRunRow.job == job.name)
            newest = session.scalars(mine.order_by(JobRunRow.scheduled_for.desc()).limit(runs)).all()
            views.append(JobView(job, tuple(map(run_view, newest)), job.slot(now) + job.every, looks.get(job.name)))
    return tuple(views)


@dataclass(frozen=True, slots=True)
class JobHealth:
    """When a job last went well, or looked and found nothing to do, and how many of its listed runs failed."""

    well_at: datetime | None
    failures: int


def job_health(runtime: Runtime) -> dict[str, JobHealth]:
    """How the jobs are, by name."""
    completed = func.max(case((JobRunRow.state == "completed", JobRunRow.finished_at)))
    failures = func.sum(case((JobRunRow.state == "failed", 1), else_=0))
    with runtime.database.read() as session:
        rows = session.execute(select(JobRunRow.job, completed, failures).group_by(JobRunRow.job)).tuples().all()
        looks = {row.job: row.at for row in session.scalars(select(JobLookRow))}
    found = {job: JobHealth(at, int(failed)) for job, at, failed in rows}
    for job, at in looks.items():
        known = found.get(job, JobHealth(None, 0))
        found[job] = JobHealth(max(at, known.well_at or at), known.failures)
    return found


def run_view(row: JobRunRow) -> JobRun:
    """A row as everybody above sees it."""
    return JobRun(
        job=row.job,
        scheduled_for=row.scheduled_for,
        state=cast(JobState, row.state),
        attempts=row.attempts,
        started_at=row.started_at,
        finished_at=row.finished_at,
        done=row.done,
        error_code=row.error_code,
    )
