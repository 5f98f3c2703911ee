"""APScheduler: ticks inside the serving process, and gives what is due to its threads.

What is due, and whose it is, the database decides (`core.platform.jobs`): any number of processes may tick.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock

from apscheduler.events import EVENT_SCHEDULER_SHUTDOWN
from apscheduler.schedulers.background import BackgroundScheduler

from core.platform.jobs.commands import mark_looks, run_job
from core.platform.jobs.domain import MARK_EVERY, Due, Job
from core.platform.jobs.queries import find_due
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from jobs.catalogue import JOBS

TICK_SECONDS = 5.0
MAIL = "mail_outbox"
DUTY = "scheduler"

log = get_logger("jobs")


class Ticker:
    """What one process knows of its jobs: which of them it is at, and when it last left its marks."""

    def __init__(self, runtime: Runtime, jobs: Sequence[Job] = JOBS) -> None:
        self._runtime, self._jobs = runtime, jobs
        self._lock = Lock()
        self._busy: set[str] = set()
        self._marked_at: datetime | None = None

    def tick(self, scheduler: BackgroundScheduler) -> None:
        """Give every due job that this process is not at already to a thread."""
        self._runtime.pulse.beat(DUTY)
        try:
            due = find_due(self._runtime, self._jobs)
            self._mark()
        except Exception as error:  # the database is away for a moment: the next tick asks again
            log.error("jobs.tick_failed", exc_info=error)
            return
        for each in due:
            if self._take(each.job.name):
                scheduler.add_job(self._attend, args=[each], misfire_grace_time=None)

    def attend_now(self, job: Job) -> None:
        """Run a job out of turn, beside what this process is at."""
        self._run(Due(job, self._runtime.clock.now()))

    def _attend(self, due: Due) -> None:
        try:
            self._run(due)
        finally:
            with self._lock:
                self._busy.discard(due.job.name)

    def _run(self, due: Due) -> None:
        try:
            run_job(self._runtime, due.job, due.scheduled_for)
        except Exception as error:  # its claim or its end could not be written; who comes next takes it up again
            log.error("job.not_recorded", job=due.job.name, exc_info=error)

    def _take(self, name: str) -> bool:
        with self._lock:
            if name in self._busy:
                return False
            self._busy.add(name)
            return True

    def _mark(self) -> None:
        now = self._runtime.clock.now()
        if self._marked_at is None or now - self._marked_at >= MARK_EVERY:
            mark_looks(self._runtime, [job.name for job in self._jobs if job.has_work is not None])
            self._marked_at = now


def start_scheduler(runtime: Runtime, jobs: Sequence[Job] = JOBS) -> BackgroundScheduler:
    """Start the ticking; the first tick is now."""
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    ticker = Ticker(runtime, jobs)
    scheduler.add_job(
        lambda: ticker.tick(scheduler), "interval", seconds=TICK_SECONDS, id="tick", misfire_grace_time=None,
        next_run_time=datetime.now(UTC),
    )  # fmt: skip
    wake_for_mail(scheduler, runtime, ticker, next(job for job in jobs if job.name == MAIL))
    scheduler.start()
    return scheduler


def wake_for_mail(scheduler: BackgroundScheduler, runtime: Runtime, ticker: Ticker, job: Job) -> None:
    """Have mails that are written in this process sent at once, without waiting for the tick."""

    def send_new() -> None:
        while not runtime.mail.may_rest():
            ticker.attend_now(job)

    def wake() -> None:
        # Late or not, it has to run: until it rests, no other mail wakes anybody.
        scheduler.add_job(send_new, id="mail_outbox_new", replace_existing=True, misfire_grace_time=None)

    scheduler.add_listener(lambda _event: runtime.pulse.end(DUTY), EVENT_SCHEDULER_SHUTDOWN)
    scheduler.add_listener(lambda _event: runtime.mail.stop(), EVENT_SCHEDULER_SHUTDOWN)
    runtime.mail.start(wake)
