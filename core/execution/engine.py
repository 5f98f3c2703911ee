"""The engine: advances runs from their journal, in one asyncio loop.

A run is advanced by one task. It starts every step that can start, waits for the first to end, and records
that end together with the next starts. It can die anywhere: the next claim continues from the journal.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError

from core.accounts.queries import own_keys
from core.execution import claims, journal, leases
from core.execution.advance import ActiveRun
from core.execution.changes import Applied, Claim, LostLease, RunParked, Written
from core.execution.deliveries import deliver_due, next_delivery_at
from core.execution.group_commit import GroupCommit
from core.execution.secrets import RunSecrets, used_secrets
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

T = TypeVar("T")
FLUSH_SECONDS = 0.1
WATCH_SECONDS = 0.5
RENEW_SECONDS = 5.0
DELIVERY_SCAN_SECONDS = 5.0

log = get_logger("execution")


class Engine:
    """Advances runs for one process. All methods but the constructor run in the loop."""

    def __init__(
        self, runtime: Runtime, worker: str, parked: Callable[[str, RunParked], None] = lambda _run, _how: None
    ) -> None:
        """`parked` is told of every run that lets go of this process, and when it wants to go on."""
        self.runtime = runtime
        self.worker = worker
        self._parked = parked
        self.active: dict[str, ActiveRun] = {}
        # One writer: journal writes keep their order, and never block the loop.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._claims = GroupCommit[str, Claim | None](self.write, partial(claims.claim_group, runtime, worker))
        self._commits = GroupCommit[Written, Applied](self.write, partial(journal.apply_group, runtime))
        self._claiming: set[str] = set()
        self._busy = asyncio.Event()
        self._owes = asyncio.Event()

    async def write(self, function: Callable[..., T], *args: Any) -> T:
        """Run a journal function in the writer thread. A write under way is finished even when cancelled."""
        future = asyncio.get_running_loop().run_in_executor(self._writer, function, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    async def advance(self, run_id: str) -> bool:
        """Claim a run and take it as far as it goes. False when it was not to be had."""
        if run_id in self.active or run_id in self._claiming:
            return False
        self._claiming.add(run_id)
        try:
            claim = await self._claims.ask(run_id)
            if claim is None:
                return False
            own = "own_key" in claim.funding.values()
            keys = await self.write(own_keys, self.runtime, claim.owner_id) if own else {}
            secrets = await self.write(used_secrets, self.runtime, claim) if claim.secret_names else RunSecrets()
            run = self.active[run_id] = ActiveRun(self.runtime, claim, keys, self._commits.ask, secrets)
            self._busy.set()
            self.runtime.dispatcher.tell(run_id)
        finally:
            self._claiming.discard(run_id)
        try:
            parked = await run.proceed()
            if parked is not None:
                self._parked(run_id, parked)
            elif run.claim.definition.targets:
                self._owes.set()
        except LostLease:
            log.warning("run.lease_lost", run_id=run_id)
        except OperationalError as error:
            # The database is away or overloaded: that is not the run's fault. Its lease ends, and it is taken up again.
            log.error("run.interrupted", run_id=run_id, exc_info=error)
        except Exception as error:
            # The journal is as it was before the failing write: end the run where people can see it.
            log.error("run.crashed", run_id=run_id, exc_info=error)
            await self._give_up(run)
        finally:
            del self.active[run_id]
            if not self.active:
                self._busy.clear()
            self.runtime.dispatcher.tell(run_id)  # from here on its events are found through the database
        return True

    async def _give_up(self, run: ActiveRun) -> None:
        try:
            await run.fail_internally()
        except Exception as error:
            log.error("run.not_recorded", run_id=run.claim.run_id, exc_info=error)

    def cancel(self, run_id: str) -> None:
        """Stop a run of this process now."""
        run = self.active.get(run_id)
        if run is not None:
            run.cancel()

    async def flush_tokens(self) -> None:
        """Write the text that streamed in since the last time, of all runs in one transaction."""
        batch = [piece for run in list(self.active.values()) for piece in run.take_tokens()]
        if batch:
            for run_id in await self.write(journal.append_tokens, self.runtime, batch):
                self._lose(run_id)

    async def watch_cancels(self) -> None:
        """Stop runs that were cancelled through another process."""
        if self.active:
            for run_id in await self.write(leases.cancelled_among, self.runtime, list(self.active)):
                self.cancel(run_id)

    async def renew_leases(self) -> None:
        """Lengthen the leases of everything under way."""
        if self.active:
            await self.write(leases.renew, self.runtime, self.worker, list(self.active))

    async def send_deliveries(self) -> None:
        """Send what ended runs owe: at once after a run of this process, and when an attempt is due."""
        while await deliver_due(self.runtime):
            pass
        due = await asyncio.to_thread(next_delivery_at, self.runtime)
        seconds = DELIVERY_SCAN_SECONDS if due is None else (due - self.runtime.clock.now()).total_seconds()
        self._owes.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._owes.wait(), min(max(seconds, 0.01), DELIVERY_SCAN_SECONDS))

    async def keep_house(self) -> None:
        """The periodic duties of a serving process, until cancelled."""
        await asyncio.gather(self.tend_runs(), self._repeat(self.send_deliveries, 0.0))

    async def tend_runs(self) -> None:
        """What runs under way need, until cancelled."""
        await asyncio.gather(
            self._repeat(self.flush_tokens, FLUSH_SECONDS, self._busy),
            self._repeat(self.watch_cancels, WATCH_SECONDS, self._busy),
            self._repeat(self.renew_leases, RENEW_SECONDS, self._busy),
        )

    async def _repeat(
        self, duty: Callable[[], Awaitable[None]], seconds: float, busy: asyncio.Event | None = None
    ) -> None:
        while True:
            if busy is not None:
                await busy.wait()  # a process without a run under way is not woken for it
            await asyncio.sleep(seconds)
            try:
                await duty()
            except Exception as error:
                log.error("engine.duty_failed", duty=getattr(duty, "__name__", "?"), exc_info=error)

    def _lose(self, run_id: str) -> None:
        run = self.active.get(run_id)
        if run is not None:
            run.lose()

    async def drain(self) -> None:
        """Wait until the writer has nothing left, once nothing advances any more."""
        await self._claims.drain()
        await self._commits.drain()

    def close(self) -> None:
        """Let go of the writer thread."""
        self._writer.shutdown(wait=True)


async def run_to_end(engine: Engine, run_id: str) -> None:
    """Advance one run in this process until it has ended, or waits for a person (the command line's way)."""
    house = asyncio.create_task(engine.tend_runs())
    try:
        while await engine.advance(run_id):
            wake_at = await engine.write(leases.wake_time, engine.runtime, run_id)
            if wake_at is None:
                return
            await asyncio.sleep(max(0.0, (wake_at - engine.runtime.clock.now()).total_seconds()))
    finally:
        house.cancel()
