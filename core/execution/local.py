"""The local dispatcher: an asyncio loop in a thread of the serving process."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy.orm import Session

from core.execution import leases
from core.execution.changes import RunParked
from core.execution.engine import Engine
from core.execution.news import RunNews
from core.platform.datalock import DataLock
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

SCAN_SECONDS = 5.0
DUTY = "worker"
BEAT_SECONDS = 2.0

log = get_logger("dispatch")


class LocalDispatcher:
    """Advances runs inside this process. Before `start` a submitted run only waits in the database."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._lock: DataLock | None = None
        self._tasks: set[asyncio.Task[bool]] = set()
        self._news = RunNews()

    def bind(self, runtime: Runtime) -> None:
        """Give the dispatcher its runtime (the two know each other)."""
        self._runtime = runtime

    def start(self) -> None:
        """Start the loop and take over what an earlier process left. Raises Conflict while one still serves."""
        runtime = self._runtime
        if runtime is None or self._thread is not None:
            return
        if runtime.database.is_sqlite:
            self._lock = DataLock(runtime.settings.data_dir)
            if not self._lock.acquire():
                raise Conflict("DATA_IN_USE", f"Another process serves {runtime.settings.data_dir}. Stop it first.")
            leases.drop_leases_of_dead_servers(runtime)
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._guarded, args=(runtime, ready), name="engine", daemon=True)
        self._thread.start()
        ready.result()

    def enqueue(self, session: Session, run_id: str, at: datetime | None = None) -> None:
        """Nothing to write: the run's own row says it, and `submit` follows the commit."""

    def submit(self, run_id: str) -> None:
        """Advance a run as soon as may be."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._spawn, run_id)

    def cancel(self, run_id: str) -> None:
        """Stop a run now if this process advances it; another process finds the mark in the database."""
        if self._loop is not None and self._engine is not None:
            self._loop.call_soon_threadsafe(self._cancel, run_id)

    def newest_event(self, run_id: str) -> int | None:
        """The newest committed event of a run that this process advances; None: only the database knows."""
        run = self._engine.active.get(run_id) if self._engine is not None else None
        return None if run is None else run.claim.published

    def listen(self, run_id: str, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `wake` at every news of a run that this process advances."""
        return self._news.listen(run_id, wake)

    def tell(self, run_id: str) -> None:
        """Wake those who follow a run."""
        self._news.tell(run_id)

    def stop(self) -> None:
        """Stop cleanly: runs under way keep their place and go on at the next start."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        if self._runtime is not None:
            self._runtime.pulse.end(DUTY)
        self._loop = self._thread = None
        if self._lock is not None:
            self._lock.release()

    def _spawn(self, run_id: str) -> None:
        assert self._engine is not None
        task = asyncio.ensure_future(self._engine.advance(run_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _when_parked(self, run_id: str, how: RunParked) -> None:
        """Come back to a run when it is due. One that waits for a person comes back by `submit`."""
        if how.wake_at is not None and self._loop is not None and self._runtime is not None:
            seconds = (how.wake_at - self._runtime.clock.now()).total_seconds()
            self._loop.call_later(max(0.0, seconds), self._spawn, run_id)

    def _cancel(self, run_id: str) -> None:
        assert self._engine is not None
        if run_id in self._engine.active:
            self._engine.cancel(run_id)
        else:
            self._spawn(run_id)  # a run nobody advances is claimed, and found cancelled

    def _guarded(self, runtime: Runtime, ready: "Future[None]") -> None:
        try:
            self._run(runtime, ready)
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)  # the start fails with it, instead of waiting for ever

    def _run(self, runtime: Runtime, ready: "Future[None]") -> None:
        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        worker = f"serve:{os.getpid()}:{runtime.ids.new()[-12:]}"
        engine = self._engine = Engine(runtime, worker, self._when_parked)
        warming = loop.create_task(runtime.providers.warm())  # importing a vendor's SDK takes a second
        duties = [
            warming,
            loop.create_task(engine.keep_house()),
            loop.create_task(self._scan(runtime, engine)),
            loop.create_task(_be_heard(runtime)),
        ]
        loop.call_soon(ready.set_result, None)
        try:
            loop.run_forever()
            for task in [*duties, *self._tasks]:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*duties, *self._tasks, return_exceptions=True))
            loop.run_until_complete(runtime.providers.aclose())
            loop.run_until_complete(engine.drain())  # a write after the hand-over would take the lease again
            leases.hand_over(runtime, worker)
            engine.close()
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _scan(self, runtime: Runtime, engine: Engine) -> None:
        """Find runs that nobody advances: at once, then every few seconds."""
        while True:
            try:
                for run_id in await engine.write(leases.unclaimed_runs, runtime):
                    self._spawn(run_id)
            except Exception as error:
                log.error("dispatch.scan_failed", exc_info=error)
            await asyncio.sleep(SCAN_SECONDS)


async def _be_heard(runtime: Runtime) -> None:
    """Say that the loop turns: who blocks it is found out."""
    while True:
        runtime.pulse.beat(DUTY)
        await asyncio.sleep(BEAT_SECONDS)
