"""One transaction for what many runs ask of the journal at the same time.

A transaction costs more than the rows in it. While one is being written, what all runs of the process have to write
gathers, and makes the next (group commit: DeWitt et al., "Implementation Techniques for Main Memory Database Systems",
1984).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
MOST = 50
"""Runs in one transaction: on PostgreSQL it holds the credit accounts of their owners until it ends."""


class GroupCommit(Generic[Item, Answer]):
    """Hands what is asked while a group is being written to the next one.

    `write` runs a function in the thread that writes; `work` answers a group, an exception standing for what failed.
    """

    def __init__(
        self, write: Callable[..., Awaitable[Any]], work: Callable[[Sequence[Item]], Sequence[Answer | Exception]]
    ) -> None:
        self._write = write
        self._work = work
        self._pending: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer:
        """The answer, once it is committed. Raises what kept it from being."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending.append((item, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def drain(self) -> None:
        """Wait until what was asked is written."""
        while self._flushing is not None and not self._flushing.done():
            await asyncio.wait([self._flushing])

    async def _flush(self) -> None:
        while self._pending:
            taken, self._pending = self._pending[:MOST], self._pending[MOST:]
            answers: Sequence[Answer | Exception]
            try:
                answers = await self._write(self._work, [item for item, _ in taken])
            except Exception as error:
                answers = [error] * len(taken)
            for (_, future), answer in zip(taken, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
