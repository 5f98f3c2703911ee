"""Running jobs: a time is claimed, the job is run, and how it went is recorded. Claim and record are short
transactions of their own; none is open while the job works.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult

from core.platform.jobs.domain import DIED, LEASE, MARK_EVERY, MOST_ATTEMPTS, Job, JobRun
from core.platform.jobs.models import JobLookRow, JobRunRow
from core.platform.jobs.queries import run_view
from core.platform.logging import get_logger
from core.platform.repeating import repeating
from core.platform.runtime import Runtime
from core.shared.errors import AppError

log = get_logger("jobs")


def run_job(runtime: Runtime, job: Job, scheduled_for: datetime) -> JobRun | None:
    """Run a job for one of its times. None when another process has that time, or had it.

    What the job raises is logged and recorded, never raised: the next time comes all the same.
    """
    attempt = _claim(runtime, job.name, scheduled_for)
    if attempt is None:
        return None
    done, error_code = 0, None
    with repeating(f"job-lease-{job.name}", LEASE / 3, lambda: _renew(runtime, job.name, scheduled_for, attempt)):
        try:
            done = job.run(runtime, scheduled_for)
        except Exception as error:
            error_code = error.code if isinstance(error, AppError) else type(error).__name__
            log.error("job.failed", job=job.name, exc_info=error)
    return _record(runtime, job, scheduled_for, attempt, done, error_code)


def ask_for_run(runtime: Runtime, job: Job) -> None:
    """Have a job run now, by whichever scheduler looks next."""
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    row = insert(JobRunRow).values(job=job.name, scheduled_for=runtime.clock.now(), state="asked", attempts=0, done=0)
    with runtime.database.write() as session:
        session.execute(row.on_conflict_do_nothing())


def mark_looks(runtime: Runtime, names: Iterable[str]) -> None:
    """Note that a scheduler looked whether these jobs have work; a mark younger than a minute stays as it is."""
    now = runtime.clock.now()
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    with runtime.database.write() as session:
        for name in sorted(names):
            session.execute(
                insert(JobLookRow)
                .values(job=name, at=now)
                .on_conflict_do_update(
                    index_elements=["job"], set_={"at": now}, where=JobLookRow.at <= now - MARK_EVERY
                )
            )


def forget_old_runs(runtime: Runtime, *, before: datetime) -> int:
    """Delete the runs of times before a moment that are over; returns how many."""
    old = delete(JobRunRow).where(JobRunRow.scheduled_for < before, JobRunRow.finished_at.is_not(None))
    with runtime.database.write() as session:
        return cast(CursorResult[Any], session.execute(old)).rowcount


def _claim(runtime: Runtime, name: str, scheduled_for: datetime) -> int | None:
    """The number of the attempt that is ours now, or None."""
    now = runtime.clock.now()
    insert = sqlite.insert if runtime.database.is_sqlite else postgresql.insert
    ours = {"state": "running", "lease_until": now + LEASE, "started_at": now}
    new = insert(JobRunRow).values(job=name, scheduled_for=scheduled_for, attempts=1, done=0, **ours)
    dead = and_(JobRunRow.state == "running", JobRunRow.lease_until < now)
    given_up = update(JobRunRow).where(*_run(name, scheduled_for), dead, JobRunRow.attempts >= MOST_ATTEMPTS)
    again = update(JobRunRow).where(*_run(name, scheduled_for), or_(JobRunRow.state == "asked", dead))
    with runtime.database.write() as session:
        # The row count of an insert that may do nothing is not told by every driver; what it returns is.
        attempt = session.scalar(new.on_conflict_do_nothing().returning(JobRunRow.attempts))
        if attempt is not None:
            return cast(int, attempt)
        session.execute(given_up.values(state="failed", finished_at=now, error_code=DIED))
        taken = again.values(attempts=JobRunRow.attempts + 1, **ours).returning(JobRunRow.attempts)
        return cast(int | None, session.scalar(taken))


def _record(
    runtime: Runtime, job: Job, scheduled_for: datetime, attempt: int, done: int, error_code: str | None
) -> JobRun | None:
    mine = (*_run(job.name, scheduled_for), JobRunRow.attempts == attempt, JobRunRow.state == "running")
    ended = {
        "state": "completed" if error_code is None else "failed",
        "finished_at": runtime.clock.now(),
        "done": done,
        "error_code": error_code and error_code[:60],
    }
    with runtime.database.write() as session:
        row = session.scalar(select(JobRunRow).where(*mine))
        if row is None:
            log.warning("job.lost", job=job.name)  # our lease passed, and another process has the run
            return None
        for name, value in ended.items():
            setattr(row, name, value)
        view = run_view(row)
        if job.has_work is not None and done == 0 and error_code is None:
            session.delete(row)  # there was nothing left to do: another process was quicker
    return view


def _renew(runtime: Runtime, name: str, scheduled_for: datetime, attempt: int) -> bool:
    """Lengthen the lease of a job that runs."""
    mine = (*_run(name, scheduled_for), JobRunRow.attempts == attempt, JobRunRow.state == "running")
    with runtime.database.write() as session:
        session.execute(update(JobRunRow).where(*mine).values(lease_until=runtime.clock.now() + LEASE))
    return True


def _run(name: str, scheduled_for: datetime) -> tuple[ColumnElement[bool], ...]:
    return JobRunRow.job == name, JobRunRow.scheduled_for == scheduled_for
