"""The scheduler sends: at every tick, and at once after a mail was written in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from threading import Event

import pytest
from structlog.testing import capture_logs

import jobs.mail_outbox
import jobs.scheduler
from core.platform.mail.commands import send_due
from core.platform.mail.queries import outbox_figures
from core.platform.runtime import Runtime
from jobs.catalogue import JOBS
from tests.integration.mail.conftest import enqueue

WAIT = 20.0


class Told:
    """A transport that tells when it was used."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.used = Event()
        self.on_send: Callable[[], object] = lambda: None

    @contextmanager
    def session(self) -> Iterator["Told"]:
        yield self

    def send(self, mail_id: str, message: EmailMessage) -> None:
        self.sent.append(mail_id)
        self.used.set()
        self.on_send()


@pytest.fixture
def told(sqlite_runtime: Runtime) -> Told:
    made = Told()
    sqlite_runtime.mail.transport = made
    return made


@pytest.fixture
def ticking(sqlite_runtime: Runtime, told: Told) -> Iterator[Callable[[float], None]]:
    """Start the scheduler with this many seconds between ticks, and between two times of the mail's job."""
    started = []

    def start(seconds: float, run: Callable[[Runtime, datetime], int] = jobs.mail_outbox.run) -> None:
        patched.setattr(jobs.scheduler, "TICK_SECONDS", seconds)
        often = {"every": timedelta(seconds=seconds), "run": run}
        mine = [replace(job, **often) for job in JOBS if job.name == "mail_outbox"]  # type: ignore[arg-type]
        started.append(jobs.scheduler.start_scheduler(sqlite_runtime, mine))

    with pytest.MonkeyPatch.context() as patched:
        yield start
    for scheduler in started:
        scheduler.shutdown(wait=True)


def test_a_new_mail_is_sent_without_waiting_for_the_tick(sqlite_runtime: Runtime, told: Told, ticking) -> None:  # type: ignore[no-untyped-def]
    ticking(3600)
    for cause in "123":
        told.used.clear()
        enqueue(sqlite_runtime, cause)
        assert told.used.wait(WAIT)
    assert len(set(told.sent)) == 3


def test_a_tick_finds_what_another_process_wrote(sqlite_runtime: Runtime, told: Told, ticking) -> None:  # type: ignore[no-untyped-def]
    enqueue(sqlite_runtime, "before the scheduler started")
    ticking(0.05)
    assert told.used.wait(WAIT)


def test_a_failed_pass_is_logged_and_the_next_mail_wakes_again(sqlite_runtime: Runtime, told: Told, ticking) -> None:  # type: ignore[no-untyped-def]
    """As when the database is away for a moment."""
    failed = Event()

    def fail_once(runtime: Runtime, scheduled_for: datetime) -> int:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("no connection")
        return jobs.mail_outbox.run(runtime, scheduled_for)

    with capture_logs() as logged:
        ticking(3600, fail_once)
        enqueue(sqlite_runtime, "1")
        assert failed.wait(WAIT)
        enqueue(sqlite_runtime, "2")
        assert told.used.wait(WAIT)
    assert [entry["log_level"] for entry in logged if entry["event"] == "job.failed"] == ["error"]


def test_stopping_ends_a_pass_after_its_present_mail(sqlite_runtime: Runtime, told: Told) -> None:
    for cause in "123":
        enqueue(sqlite_runtime, cause)
    scheduler = jobs.scheduler.BackgroundScheduler(timezone="UTC")
    (mail,) = (job for job in JOBS if job.name == "mail_outbox")
    jobs.scheduler.wake_for_mail(scheduler, sqlite_runtime, jobs.scheduler.Ticker(sqlite_runtime), mail)
    scheduler.start(paused=True)
    told.on_send = lambda: scheduler.shutdown(wait=False)
    assert send_due(sqlite_runtime) == 1
    assert outbox_figures(sqlite_runtime).queued == 2
