"""What is measured, as Prometheus reads it: what this process counted, and what is now, each by one cheap query."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import QueuePool

from core.analytics.waiting import count_waiting
from core.execution.usage import runs_under_way
from core.platform.jobs.queries import job_health
from core.platform.logging import get_logger
from core.platform.mail.queries import outbox_waiting
from core.platform.runtime import Runtime

log = get_logger("operations")
Source = Callable[[Runtime], Iterator[Metric]]


def render(runtime: Runtime, version: str) -> bytes:
    """All of it, in the text format. A source that fails is left out, and `stepiq_scrape_failures` says how many."""
    now = CollectorRegistry()
    now.register(_Now(runtime, version))
    counted = generate_latest(runtime.meters.registry) if runtime.meters is not None else b""
    return counted + generate_latest(now)


class _Now:
    """What is now, read when somebody asks."""

    def __init__(self, runtime: Runtime, version: str) -> None:
        self._runtime, self._version = runtime, version

    def collect(self) -> Iterable[Metric]:
        failures = 0
        for source in SOURCES:
            try:
                yield from list(source(self._runtime))
            except Exception as error:  # the database is away: what this process knows itself is told all the same
                failures += 1
                log.error("operations.scrape_failed", source=source.__name__, exc_info=error)
        yield _one("stepiq_scrape_failures", "Sources that could not be read this time.", failures)
        info = GaugeMetricFamily("stepiq_build_info", "The version that runs.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info


def _runs(runtime: Runtime) -> Iterator[Metric]:
    found = runs_under_way(runtime)
    under_way = GaugeMetricFamily("stepiq_runs_under_way", "Runs that are not over, by status.", labels=["status"])
    for status, (number, _) in found.items():
        under_way.add_metric([status], number)
    yield under_way
    waiting, since = found["pending"]
    yield _one("stepiq_queue_depth", "Runs that were asked for and not begun.", waiting)
    yield _one("stepiq_queue_oldest_seconds", "How long the oldest of them waits.", _age(runtime, since))


def _events(runtime: Runtime) -> Iterator[Metric]:
    yield _one("stepiq_events_waiting", "Events in the database, not in the lake yet.", count_waiting(runtime))


def _written(runtime: Runtime) -> Iterator[Metric]:
    events, sink = runtime.events, runtime.events.sink
    yield _total("stepiq_events_written", "Events that were written.", events.written)
    yield _total("stepiq_events_left_out", "Events that were refused or had no room.", events.left_out)
    if sink is not None:
        went = sink.record
        yield _total("stepiq_posthog_sent", "Events that PostHog took.", went.sent)
        yield _total("stepiq_posthog_failed", "Events that PostHog did not take.", went.failed)
        yield _total("stepiq_posthog_left_out", "Events that were not sent.", went.left_out)


def _jobs(runtime: Runtime) -> Iterator[Metric]:
    ages = GaugeMetricFamily("stepiq_job_success_age_seconds", "Since a job last went well.", labels=["job"])
    failures = GaugeMetricFamily("stepiq_job_failures", "Failed runs of a job that are still listed.", labels=["job"])
    for job, health in sorted(job_health(runtime).items()):
        if health.well_at is not None:
            ages.add_metric([job], _age(runtime, health.well_at))
        failures.add_metric([job], health.failures)
    yield from (ages, failures)


def _mails(runtime: Runtime) -> Iterator[Metric]:
    waiting, since = outbox_waiting(runtime)
    yield _one("stepiq_mails_waiting", "Mails in the outbox.", waiting)
    yield _one("stepiq_mails_oldest_seconds", "How long the oldest of them waits.", _age(runtime, since))


def _machine(runtime: Runtime) -> Iterator[Metric]:
    pool = runtime.database.engine.pool
    if isinstance(pool, QueuePool):
        yield _one("stepiq_database_connections_used", "Connections in use.", pool.checkedout())
        yield _one("stepiq_database_connections_kept", "Connections that are kept open.", pool.size())
    yield _total(
        "stepiq_database_writer_waits", "How often somebody waited for SQLite's writer.", runtime.database.waits
    )
    disk = shutil.disk_usage(runtime.settings.data_dir)
    yield _one("stepiq_disk_free_bytes", "Room on the disk of the data folder.", disk.free)
    yield _one("stepiq_disk_total_bytes", "Size of the disk of the data folder.", disk.total)
    alive = GaugeMetricFamily("stepiq_duty_alive", "Whether worker and scheduler are alive here.", labels=["duty"])
    for duty in ("worker", "scheduler"):
        state = runtime.pulse.alive(duty)
        if state is not None:
            alive.add_metric([duty], int(state))
    yield alive


SOURCES: tuple[Source, ...] = (_runs, _events, _written, _jobs, _mails, _machine)


def _age(runtime: Runtime, since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (runtime.clock.now() - since).total_seconds())


def _one(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def _total(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(name, says, value=value)
