"""The journal's queue of one run: changes that come together are written together, in order."""

import asyncio
from collections.abc import Awaitable, Callable

from core.execution.changes import Applied, Change, Claim, Written

Apply = Callable[[Written], Awaitable[Applied]]
"""Records changes of a run; gives back what became of them once they are committed."""


class Recorder:
    """Takes changes at once and writes them in batches: what comes while one batch is written makes the next.

    `failed` is called once when a batch could not be written; nothing is written after it.
    """

    def __init__(self, claim: Claim, apply: Apply, failed: Callable[[], None]) -> None:
        self._claim = claim
        self._apply = apply
        self._failed = failed
        self._pending: list[tuple[Change, asyncio.Future[Applied]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self.error: BaseException | None = None

    def put(self, change: Change) -> "asyncio.Future[Applied]":
        """Queue a change; the future is done when it is committed."""
        future: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
        self._pending.append((change, future))
        if self.error is not None:
            self._refuse()
        elif self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return future

    async def settle(self) -> None:
        """Wait until everything queued is committed. Raises what kept it from being."""
        if self._flushing is not None:
            await self._flushing
        if self.error is not None:
            raise self.error

    async def _flush(self) -> None:
        while self._pending:
            # One turn of the loop: what follows from the change, such as the end of the run, is written with it.
            await asyncio.sleep(0)
            batch, self._pending = self._pending, []
            try:
                applied = await self._apply((self._claim, [change for change, _ in batch]))
            except BaseException as error:
                self.error = error
                self._pending = batch + self._pending
                self._refuse()
                self._failed()
                return
            for _, future in batch:
                if not future.done():
                    future.set_result(applied)

    def _refuse(self) -> None:
        assert self.error is not None
        for _, future in self._pending:
            if not future.done():
                future.set_exception(self.error)
                future.exception()  # mostly nobody waits for it
        self._pending = []
