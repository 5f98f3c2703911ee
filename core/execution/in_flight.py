"""The calls of one run that are under way: each can be cut, and is heard while it streams."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from core.execution.changes import StepKey
from core.execution.failures import CANCELLED, Stop
from core.execution.kinds.port import Live, Prepared, StepResult
from core.execution.run_masks import RunMasker
from core.pipelines.definition import Step
from core.shared.clock import Clock
from core.shared.errors import AppError, ProviderError
from core.shared.types import JsonValue

PARK_AFTER = 2.0  # seconds: a shorter wait is not worth letting go of the run


class InFlight:
    """Makes the calls of a run, and knows whether it only waits. `tell` takes an event of a call's trace.

    `stopped` says why nothing is to be started any more. `lost`: the lease is gone, and cut calls are not settled.
    `flushed` names the steps of which live text was written.
    """

    def __init__(self, masker: RunMasker, tell: Callable[[StepKey, dict[str, JsonValue]], None]) -> None:
        self.stopped: Stop | None = None
        self.lost = False
        self.flushed: set[str] = set()
        self._masker = masker
        self._tell = tell
        self._calls: set[asyncio.Task[StepResult]] = set()
        self._halted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._live: dict[str, list[str]] = {}

    def cut(self, why: Stop) -> None:
        """Stop what is under way, for the first reason that is given; what it used is settled."""
        self.stopped = self.stopped or why
        self._halted.set()
        for call in list(self._calls):
            call.cancel()

    def take_tokens(self) -> list[tuple[str, str]]:
        """The text streamed in since the last call, by step."""
        taken = [(step_id, "".join(parts)) for step_id, parts in self._live.items() if parts]
        for step_id, _ in taken:
            self._live[step_id] = []
            self.flushed.add(step_id)
        return taken

    async def make(self, key: StepKey, step: Step, prepared: Prepared) -> StepResult:
        """Make a call that can be cut. What was streamed before is part of what a cut call used."""
        assert prepared.execute is not None
        streamed: list[str] = []
        masked = self._masker.stream()
        tell_live = "[" not in key.frame

        def delta(text: str) -> None:
            streamed.append(text)
            if tell_live:
                self._live.setdefault(step.id, []).append(masked.feed(text) if self._masker else text)

        live = Live(delta, lambda facts: self._tell(key, facts))
        call = asyncio.ensure_future(_bounded(step, prepared, live))
        self._calls.add(call)
        self._idle.clear()
        if self.stopped is not None:
            call.cancel()
        try:
            await asyncio.wait([call])
        finally:
            call.cancel()
            self._calls.discard(call)
            if not self._calls:
                self._idle.set()
        self._live.pop(step.id, None)
        if not call.cancelled():
            return call.result()
        if self.lost or self.stopped is None:
            raise asyncio.CancelledError
        if prepared.cut is None:
            return StepResult(error=self.stopped.of_step)
        used = prepared.cut("".join(streamed))
        return used if self.stopped is CANCELLED else replace(used, error=self.stopped.of_step)

    async def wait_until(self, due: datetime, clock: Clock) -> bool:
        """Wait with a step until it is due, or the run is stopped. False when the run had better let go until then."""
        while (left := (due - clock.now()).total_seconds()) > 0 and self.stopped is None:
            if left > PARK_AFTER and self._idle.is_set():
                await asyncio.sleep(0.05)  # between two steps nothing is called either
                if self._idle.is_set():
                    return False
            try:
                await asyncio.wait_for((self._idle if left > PARK_AFTER else self._halted).wait(), left)
            except TimeoutError:
                continue
        return True


async def _bounded(step: Step, prepared: Prepared, live: Live) -> StepResult:
    assert prepared.execute is not None
    try:
        async with asyncio.timeout(prepared.limit):
            return await prepared.execute(live)
    except TimeoutError:
        message = f"Not done within {step.timeout_seconds} s. Raise timeout_seconds or do less in this step."
        return StepResult(error=ProviderError("TIMEOUT", message, retryable=True))
    except AppError as error:
        return StepResult(error=error)
