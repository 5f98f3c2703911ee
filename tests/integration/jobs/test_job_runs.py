"""Runs of jobs on both databases: each time once, whoever looks, and taken up again where a process died."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from sqlalchemy import event, func, select

from core.platform.jobs.commands import _claim, ask_for_run, forget_old_runs, mark_looks, run_job
from core.platform.jobs.declared import declared_jobs, find_job
from core.platform.jobs.domain import DIED, LEASE, Job, JobRun
from core.platform.jobs.models import JobLookRow, JobRunRow
from core.platform.jobs.queries import find_due, list_jobs
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, NotFound
from jobs.scheduler import Ticker
from tests.support.clock import FixedClock

START = datetime(2026, 11, 20, 9, 30, 7, tzinfo=UTC)
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], database_settings: dict[str, str], clock: FixedClock) -> Runtime:
    return runtime_with(clock=clock, **database_settings)


class Counted:
    """A job that counts its runs."""

    def __init__(self, **more: Any) -> None:
        self.times: list[datetime] = []
        self._lock = Lock()
        self.job = Job("counted", "Counts.", **{"every": timedelta(hours=1), "run": self.run, **more})

    def run(self, _runtime: Runtime, scheduled_for: datetime) -> int:
        with self._lock:
            self.times.append(scheduled_for)
        return 3


def runs_of(runtime: Runtime, job: Job) -> tuple[JobRun, ...]:
    (view,) = list_jobs(runtime, [job], runs=10)
    return view.runs


def attend(runtime: Runtime, *jobs: Job) -> list[JobRun | None]:
    """What one scheduler does at a tick."""
    return [run_job(runtime, due.job, due.scheduled_for) for due in find_due(runtime, jobs)]


def test_two_schedulers_run_each_time_once(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together = Barrier(4)

            def tick(together: Barrier = together) -> None:
                due = find_due(runtime, [counted.job])
                together.wait(20)  # all have found it due before any claims it
                for each in due:
                    run_job(runtime, each.job, each.scheduled_for)

            list(pool.map(lambda _, tick=tick: tick(), range(4)))
            clock.advance(hours=1)
    assert counted.times == [NINE + timedelta(hours=hour) for hour in range(5)]
    runs = runs_of(runtime, counted.job)
    assert [(run.state, run.done, run.attempts) for run in runs] == [("completed", 3, 1)] * 5


def test_of_missed_times_the_newest_is_run(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    attend(runtime, counted.job)
    clock.advance(days=2)
    attend(runtime, counted.job)
    attend(runtime, counted.job)
    assert counted.times == [NINE, NINE + timedelta(days=2)]


def test_a_claim_whose_process_died_is_taken_up_by_another(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    assert _claim(runtime, "counted", NINE) == 1  # and then its process is killed
    assert find_due(runtime, [counted.job]) == ()
    clock.advance(seconds=LEASE.total_seconds() + 1)
    (again,) = attend(runtime, counted.job)
    assert again is not None and (again.scheduled_for, again.state, again.attempts) == (NINE, "completed", 2)
    assert counted.times == [NINE]


def test_a_dead_claim_of_an_older_time_is_finished_too(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    _claim(runtime, "counted", NINE)
    clock.advance(hours=1)
    attend(runtime, counted.job)
    attend(runtime, counted.job)
    assert counted.times == [NINE, NINE + timedelta(hours=1)]
    assert {run.state for run in runs_of(runtime, counted.job)} == {"completed"}


def test_a_run_that_kills_its_processes_is_given_up(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    for attempt in (1, 2, 3):
        assert _claim(runtime, "counted", NINE) == attempt
        clock.advance(seconds=LEASE.total_seconds() + 1)
    assert attend(runtime, counted.job) == [None] and counted.times == []
    (run,) = runs_of(runtime, counted.job)
    assert (run.state, run.error_code, run.attempts) == ("failed", DIED, 3)
    assert find_due(runtime, [counted.job]) == ()


def test_who_lost_the_lease_records_nothing(runtime: Runtime, clock: FixedClock) -> None:
    """As when a machine slept: another process took the run up and ended it meanwhile."""
    other = Counted()

    def sleep(_runtime: Runtime, scheduled_for: datetime) -> int:
        clock.advance(seconds=LEASE.total_seconds() + 1)
        assert run_job(runtime, other.job, scheduled_for) is not None
        return 99

    assert run_job(runtime, Counted(run=sleep).job, NINE) is None
    (run,) = runs_of(runtime, other.job)
    assert (run.done, run.attempts) == (3, 2)


def test_a_lease_is_kept_while_the_job_works(
    runtime: Runtime, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.platform.jobs.commands.LEASE", timedelta(milliseconds=30))
    renewed = Event()

    def listen(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE job_runs SET lease_until"):
            renewed.set()

    event.listen(runtime.database.engine, "after_cursor_execute", listen)
    run = run_job(runtime, Counted(run=lambda *_: int(renewed.wait(20))).job, NINE)
    assert run is not None and (run.state, run.done) == ("completed", 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValueError("the text of ada@example.org"), "ValueError"), (Conflict("DATA_IN_USE", "Stop it."), "DATA_IN_USE")],
)
def test_a_failure_is_kept_by_its_class_and_the_next_time_comes(
    runtime: Runtime, clock: FixedClock, error: Exception, code: str
) -> None:
    def fail(_runtime: Runtime, _at: datetime) -> int:
        raise error

    failing = Counted(run=fail).job
    attend(runtime, failing)
    (run,) = runs_of(runtime, failing)
    assert (run.state, run.error_code, run.finished_at) == ("failed", code, START)
    assert find_due(runtime, [failing]) == ()
    clock.advance(hours=1)
    assert len(find_due(runtime, [failing])) == 1


def test_a_job_that_only_looks_writes_nothing_while_there_is_nothing(runtime: Runtime, clock: FixedClock) -> None:
    work: list[datetime] = []
    often = Counted(every=timedelta(seconds=5), has_work=lambda _runtime, _at: bool(work))
    ticker = Ticker(runtime, [often.job])
    writes: list[str] = []

    def listen(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            writes.append(statement)

    event.listen(runtime.database.engine, "after_cursor_execute", listen)
    for _ in range(60):
        ticker.tick(None)  # type: ignore[arg-type]
        clock.advance(seconds=5)
    assert len(writes) == 5 and all("job_looks" in statement for statement in writes), "five minutes, five marks"
    assert runs_of(runtime, often.job) == ()
    work.append(clock.now())
    attend(runtime, often.job)
    assert [run.done for run in runs_of(runtime, often.job)] == [3]


def test_a_look_that_found_nothing_left_keeps_no_row(runtime: Runtime) -> None:
    late = Counted(has_work=lambda _runtime, _at: True, run=lambda _runtime, _at: 0).job
    (run,) = attend(runtime, late)
    assert run is not None and run.state == "completed"
    assert runs_of(runtime, late) == ()


def test_marks_of_many_schedulers_are_one_a_minute(runtime: Runtime, clock: FixedClock) -> None:
    for seconds in (0, 20, 50):
        clock.moment = START + timedelta(seconds=seconds)
        mark_looks(runtime, ["mail_outbox"])
    with runtime.database.read() as session:
        assert session.scalars(select(JobLookRow.at)).all() == [START]
    clock.moment = START + timedelta(seconds=60)
    mark_looks(runtime, ["mail_outbox"])
    with runtime.database.read() as session:
        assert session.scalars(select(JobLookRow.at)).all() == [clock.moment]


def test_a_run_that_was_asked_for_is_run_once_by_whoever_looks(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    attend(runtime, counted.job)
    ask_for_run(runtime, counted.job)
    assert [run.state for run in runs_of(runtime, counted.job)] == ["asked", "completed"]
    attend(runtime, counted.job)
    attend(runtime, counted.job)
    assert counted.times == [NINE, START]


def test_old_runs_are_deleted_and_open_ones_kept(runtime: Runtime, clock: FixedClock) -> None:
    counted = Counted()
    attend(runtime, counted.job)
    clock.advance(days=31)
    attend(runtime, counted.job)
    _claim(runtime, "counted", NINE - timedelta(hours=1))
    assert find_job("job_history").run(runtime, clock.now()) == 1
    assert forget_old_runs(runtime, before=clock.now() - timedelta(days=30)) == 0
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(JobRunRow)) == 2


def test_every_declared_job_runs(runtime: Runtime) -> None:
    names = [job.name for job in declared_jobs()]
    assert len(set(names)) == len(names) > 5
    for job in declared_jobs():
        run = run_job(runtime, job, job.slot(runtime.clock.now()))
        assert run is not None and run.state == "completed", (job.name, run)
        assert job.says.endswith(".") and (job.has_work is None or not job.has_work(runtime, START))
    with pytest.raises(NotFound, match="mail_outbox"):
        find_job("nothing")
