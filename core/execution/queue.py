"""The dispatcher for many machines: runs are jobs of Procrastinate on PostgreSQL, advanced by any worker.

A job only says which run to look at; the journal says everything else. It is written in the transaction that makes
the run able to go on, so neither exists without the other. Who may advance a run is decided by its lease alone: a
job too many finds the run taken and ends, and a run whose worker died is found by its lease.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import procrastinate
from procrastinate import PsycopgConnector
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import Session

from core.execution import leases
from core.execution.changes import RunParked
from core.execution.domain import ACTIVE
from core.execution.engine import Engine
from core.execution.local import SCAN_SECONDS, LocalDispatcher
from core.execution.models import RunRow
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

QUEUE, TASK = "runs", "advance"
LEAST_PRIORITY = -100
BUSY_SECONDS = 1.0
STALLED_SECONDS = 15.0
HEARTBEAT_SECONDS = 5.0
POOL_SECONDS = 5.0
"""How long a connection is waited for before the work is begun anew."""

DEFER = text(
    "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, CAST(:priority AS integer), NULL, NULL, "
    "CAST(:args AS jsonb), CAST(:at AS timestamptz))::procrastinate_job_to_defer_v1])"
)

log = get_logger("queue")


class QueueDispatcher(LocalDispatcher):
    """Puts runs into the queue; after `start` it is a worker too, with an engine of its own."""

    def __init__(self, concurrency: int, runs_per_person: int) -> None:
        super().__init__()
        self._concurrency = concurrency
        self._per_person = runs_per_person

    def enqueue(self, session: Session, run_id: str, at: datetime | None = None) -> None:
        """Add a job for a run to the caller's transaction. Who has much under way stands further back."""
        owner = select(RunRow.owner_id).where(RunRow.id == run_id).scalar_subquery()
        active = select(func.count()).where(RunRow.owner_id == owner, RunRow.status.in_(ACTIVE))
        priority = max(-(session.scalar(active) or 0), LEAST_PRIORITY)
        args = json.dumps({"run_id": run_id})
        session.execute(DEFER, {"queue": QUEUE, "task": TASK, "priority": priority, "args": args, "at": at})

    def submit(self, run_id: str) -> None:
        """Nothing to do: the job was committed with the run."""

    def cancel(self, run_id: str) -> None:
        """Stop a run at once where it is ours; its worker finds the mark in the database."""
        if self._loop is not None and self._engine is not None:
            self._loop.call_soon_threadsafe(self._engine.cancel, run_id)

    def _when_parked(self, run_id: str, how: RunParked) -> None:
        """Nothing to do: a job for the time it is due was committed with the parking."""

    async def _scan(self, runtime: Runtime, engine: Engine) -> None:
        """Work, take over runs whose worker died, and give back jobs of such: until cancelled, then end all three."""
        # Not `gather`: cancelled, it leaves its parts behind, and the worker's farewell finds its connections closed.
        async with asyncio.TaskGroup() as duties:
            duties.create_task(_again_and_again("take_over", self._take_over, runtime, engine))
            duties.create_task(_again_and_again("work", self._work, runtime, engine))

    async def _work(self, runtime: Runtime, engine: Engine) -> None:
        """Take jobs until cancelled, or until the database is away."""
        connector = PsycopgConnector(conninfo=_conninfo(runtime), min_size=1, max_size=4, timeout=POOL_SECONDS)
        app = procrastinate.App(connector=connector)

        @app.task(name=TASK, queue=QUEUE)
        async def advance(run_id: str) -> None:
            if not await engine.write(leases.may_begin, runtime, run_id, self._per_person):
                at = runtime.clock.now() + timedelta(seconds=BUSY_SECONDS)
                await engine.write(_defer_later, self, runtime, run_id, at)
                return
            await engine.advance(run_id)

        worker = partial(
            app.run_worker_async,
            queues=[QUEUE],
            name=engine.worker,
            concurrency=self._concurrency,
            install_signal_handlers=False,
            delete_jobs="always",
            fetch_job_polling_interval=SCAN_SECONDS,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            shutdown_graceful_timeout=0.0,
        )
        async with app.open_async(), asyncio.TaskGroup() as duties:
            duties.create_task(worker())
            duties.create_task(_again_and_again("revive", _revive, app))

    async def _take_over(self, runtime: Runtime, engine: Engine) -> None:
        while True:
            room = max(0, self._concurrency - len(engine.active))
            for run_id in await engine.write(leases.abandoned_runs, runtime, room):
                self._spawn(run_id)
            await asyncio.sleep(SCAN_SECONDS)


async def _again_and_again(name: str, duty: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Begin a duty anew whenever it fails: a database that was away for a while must not end a worker."""
    while True:
        try:
            await duty(*args)
        except Exception as error:
            log.error(f"queue.{name}_failed", exc_info=error)
        await asyncio.sleep(SCAN_SECONDS)


async def _revive(app: procrastinate.App) -> None:
    """Give back the jobs of workers that are gone."""
    while True:
        await asyncio.sleep(SCAN_SECONDS)
        stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
        for job in stalled:
            await app.job_manager.retry_job(job)


def apply_queue_schema(connection: Connection) -> None:
    """Make the queue's tables where they are missing (PostgreSQL)."""
    if connection.scalar(text("SELECT to_regclass('procrastinate_jobs')")) is None:
        # The driver takes several statements at once only without parameters, so the schema goes around SQLAlchemy's.
        cursor = connection.connection.cursor()
        cursor.execute(SchemaManager.get_schema())
        cursor.close()


def _defer_later(dispatcher: QueueDispatcher, runtime: Runtime, run_id: str, at: datetime) -> None:
    with runtime.database.write() as session:
        dispatcher.enqueue(session, run_id, at)


def _conninfo(runtime: Runtime) -> str:
    return runtime.settings.database.replace("postgresql+psycopg://", "postgresql://", 1)
