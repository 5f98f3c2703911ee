"""One run in the hands of this process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core.execution import journal
from core.execution.calls import CallResult, call_model
from core.execution.domain import WITH_OUTPUT, backoff_ms
from core.execution.journal import (
    Attempt,
    Change,
    Claim,
    LostLease,
    RunEnded,
    StepEnded,
    StepStarted,
    cause_of,
)
from core.execution.preparation import PreparedCall, prepare_call, prepare_transform, scope_of
from core.pipelines.definition import LlmStep, TransformStep
from core.pipelines.graph import dependencies
from core.pipelines.outputs import run_output
from core.pipelines.transforms import run_transform
from core.platform.runtime import Runtime
from core.providers.domain import ModelPort
from core.shared.errors import AppError, InvalidInput, ProviderError
from core.shared.types import JsonValue

INTERRUPTED: dict[str, JsonValue] = {
    "code": "INTERRUPTED",
    "message": "The server stopped during this call, and the run ended before it was repeated. It cost nothing.",
}
CANCELLED: dict[str, JsonValue] = {"code": "CANCELLED", "message": "The run was cancelled.", "step_id": None}
INTERNAL: dict[str, JsonValue] = {
    "code": "INTERNAL",
    "message": "Something broke on our side; it was logged. Run it again.",
    "step_id": None,
}

Write = Callable[..., Awaitable[Any]]


class ActiveRun:
    """The state of a run between two journal writes: derived from the journal, never the truth."""

    def __init__(self, runtime: Runtime, claim: Claim, own_keys: dict[str, str], write: Write) -> None:
        self.runtime = runtime
        self.claim = claim
        self._own_keys = own_keys
        self._write = write
        self._hash = runtime.vault.keyed_hash(claim.owner_id, "fingerprint")
        self._needs = dependencies(claim.definition)
        self._index = {step.id: n for n, step in enumerate(claim.definition.steps)}
        self._tasks: dict[asyncio.Task[CallResult], StepStarted] = {}
        self._calls: dict[str, PreparedCall] = {}
        self._ports: dict[str, ModelPort] = {}
        self._live: dict[str, list[str]] = {}
        self._streamed: dict[str, list[str]] = {}
        self._flushed: set[str] = set()
        self._delayed: dict[str, Attempt] = {}
        self._timers: dict[asyncio.Task[None], str] = {}
        self._failure: dict[str, JsonValue] | None = None
        self._cancelled = claim.cancelled
        self._lost = False
        self._over = False
        self.outputs: dict[str, JsonValue] = {}
        self._left: set[str] = set(claim.definition.step_ids)
        if claim.selection.steps is not None:
            self._left &= claim.selection.steps
        self._read_journal()

    def cancel(self) -> None:
        """Stop calls in flight; what they used is settled."""
        self._cancelled = True
        self._stop_tasks()

    def lose(self) -> None:
        """The lease is gone: stop and write nothing."""
        self._lost = True
        self._stop_tasks()

    def take_tokens(self) -> list[tuple[Claim, str, str]]:
        """The text streamed in since the last call, by step."""
        taken = [(self.claim, step_id, "".join(parts)) for step_id, parts in self._live.items() if parts]
        for _, step_id, _ in taken:
            self._live[step_id] = []
            self._flushed.add(step_id)
        return taken

    async def proceed(self) -> None:
        """Go on until the run ends. Raises LostLease."""
        changes: list[Change] = []
        try:
            while True:
                if self._lost:
                    raise LostLease
                changes += await self._start_ready()
                if not self._tasks and not self._timers and not self._starting(changes):
                    changes += [*self._close_cut_calls(INTERRUPTED), self._ended()]
                if changes:
                    changes = await self._record(changes)
                    if self._over:
                        return
                    if changes or self._ready() or not (self._tasks or self._timers):
                        continue
                changes = await self._wait()
        finally:
            self._stop_tasks()

    async def fail_internally(self) -> None:
        """End a run that our own defect stopped."""
        ends = [*self._close_cut_calls(INTERNAL), RunEnded("failed", None, dict(INTERNAL))]
        await self._write(journal.apply, self.runtime, self.claim, ends)

    # -- reading the journal ------------------------------------------------

    def _read_journal(self) -> None:
        for step_id, attempt in self.claim.attempts.items():
            if attempt.status in WITH_OUTPUT:
                self.outputs[step_id] = attempt.output
                self._left.discard(step_id)
            elif attempt.status == "failed":
                self._left.discard(step_id)
                if attempt.retry_at is not None:
                    self._delay(step_id, attempt)
                else:
                    self._failure = {
                        "code": "STEP_FAILED",
                        "message": f"Step {step_id} failed.",
                        "step_id": step_id,
                    }

    def _delay(self, step_id: str, attempt: Attempt) -> None:
        assert attempt.retry_at is not None
        seconds = (attempt.retry_at - self.runtime.clock.now()).total_seconds()
        self._delayed[step_id] = attempt
        self._timers[asyncio.ensure_future(asyncio.sleep(max(0.0, seconds)))] = step_id

    # -- starting -----------------------------------------------------------

    def _ready(self) -> list[str]:
        if self._failure is not None or self._cancelled:
            return []
        done = self.outputs.keys()
        selected = self.claim.selection.steps
        return [
            step_id
            for step_id in self._index
            if step_id in self._left
            and all(need in done or (selected is not None and need not in selected) for need in self._needs[step_id])
        ]

    async def _start_ready(self) -> list[Change]:
        changes: list[Change] = []
        while ready := self._ready():
            for step_id in ready:
                self._left.discard(step_id)
                changes.append(await self._start(step_id))
            if self._failure is not None:
                break
        return changes

    async def _start(self, step_id: str) -> Change:
        step = self.claim.definition.step(step_id)
        assert step is not None
        earlier = self.claim.attempts.get(step_id)
        resumed = earlier is not None and earlier.status == "running"
        number = 1 if earlier is None else earlier.attempt + (0 if resumed else 1)
        row_id = earlier.row_id if earlier is not None and resumed else self.runtime.ids.new()
        scope = scope_of(self.claim.definition, self.claim.input_data, self.outputs)
        held = earlier.held_micros if earlier is not None and resumed else 0
        started = StepStarted(
            step_id, row_id, self._index[step_id], step.type, number, None, None, None, held, False, resumed, {}
        )  # fmt: skip
        try:
            if isinstance(step, TransformStep):
                return await self._transform(step, scope, started)
            return self._prepare(step, scope, started)
        except AppError as error:
            return self._failed(started, error)

    async def _transform(self, step: TransformStep, scope: dict[str, JsonValue], started: StepStarted) -> Change:
        mark = prepare_transform(step, scope, self._hash)
        if step.text_template is not None:
            output = run_transform(step, scope)
        else:  # an expression may take its whole second
            output = await asyncio.to_thread(run_transform, step, scope)
        self.outputs[step.id] = output
        raw = output if isinstance(output, str) else None
        content: dict[str, JsonValue] = {"raw": raw, "parsed": output}
        return StepEnded(
            step.id,
            started.row_id,
            started.attempt,
            "completed",
            content,
            started=replace(started, fingerprint=mark),
        )

    def _prepare(self, step: LlmStep, scope: dict[str, JsonValue], started: StepStarted) -> StepStarted:
        claim = self.claim
        call = prepare_call(
            self.runtime.catalogue,
            claim.definition,
            step,
            scope,
            funding=claim.funding,
            plan=claim.plan,
            hash_=self._hash,
            idempotency_key=cause_of(claim.run_id, step.id, started.attempt),
        )
        own_key = self._own_keys.get(call.card.provider, "") if call.own_key else None
        self._ports[step.id] = self.runtime.providers.port_for(call.card, own_key, metered=call.metered)
        self._calls[step.id] = call
        return replace(
            started,
            model=call.card.id,
            provider=call.card.provider,
            fingerprint=call.fingerprint,
            held_micros=started.held_micros if started.resumed else call.held_micros,
            reusable=step.id in claim.selection.reusable,
            content={"prompt": call.request.prompt},
        )

    @staticmethod
    def _starting(changes: list[Change]) -> bool:
        return any(isinstance(change, StepStarted) for change in changes)

    # -- recording ----------------------------------------------------------

    async def _record(self, changes: list[Change]) -> list[Change]:
        """Write changes, then make the calls that they start. Returns what must be written next."""
        applied = await self._write(journal.apply, self.runtime, self.claim, changes)
        self._over = any(isinstance(change, RunEnded) for change in changes)
        follow: list[Change] = []
        for change in changes:
            if isinstance(change, StepStarted):
                if change.step_id in applied.reused:
                    self.claim.attempts.pop(change.step_id, None)
                    self.outputs[change.step_id] = applied.reused[change.step_id]
                elif change.step_id in applied.refused:
                    follow.append(self._failed(replace(change, held_micros=0), applied.refused[change.step_id]))
                else:
                    self._launch(change)
        return follow

    def _launch(self, started: StepStarted) -> None:
        step_id = started.step_id
        running = Attempt(started.row_id, started.attempt, "running", started.held_micros, None)
        self.claim.attempts[step_id] = running
        call, step = self._calls[step_id], self.claim.definition.step(step_id)
        assert isinstance(step, LlmStep)
        self._live[step_id], self._streamed[step_id] = [], []
        task = asyncio.create_task(
            call_model(self._ports[step_id], call, step, lambda text: self._on_delta(step_id, text))
        )
        self._tasks[task] = started
        if self._cancelled or self._lost:
            task.cancel()

    def _on_delta(self, step_id: str, text: str) -> None:
        self._live[step_id].append(text)
        self._streamed[step_id].append(text)

    async def _wait(self) -> list[Change]:
        awaited: list[asyncio.Task[Any]] = [*self._tasks, *self._timers]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        changes: list[Change] = []
        for timer in [timer for timer in self._timers if timer.done()]:
            step_id = self._timers.pop(timer)
            self.claim.attempts[step_id] = self._delayed.pop(step_id)
            self._left.add(step_id)
        for task in [task for task in self._tasks if task.done()]:
            changes.append(self._finish(self._tasks.pop(task), task))
        return changes

    def _finish(self, started: StepStarted, task: asyncio.Task[CallResult]) -> StepEnded:
        step_id, call = started.step_id, self._calls[started.step_id]
        self._live.pop(step_id, None)
        streamed = "".join(self._streamed.pop(step_id, []))
        if task.cancelled():
            result = CallResult.cut(self.runtime.catalogue, call, streamed)
        else:
            error = task.exception()
            if error is not None:
                raise error
            result = task.result()
        cost = result.cost(self.runtime.catalogue, call, self.claim.plan, started.held_micros)
        content: dict[str, JsonValue] = {
            "prompt": call.request.prompt, "raw": result.raw, "parsed": result.parsed, "trace": result.trace,
        }  # fmt: skip
        status, retry_at = "completed", None
        if result.error is None:
            self.outputs[step_id] = result.parsed
        else:
            status = "failed"
            retry_at = self._retry_time(started, result.error)
            content["error"] = result.error.message
            if retry_at is None:
                self._fail(step_id, result.error)
        ended = StepEnded(
            step_id,
            started.row_id,
            started.attempt,
            status,
            content,
            error_code=result.error.code if result.error else None,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            held_micros=started.held_micros,
            credit_micros=cost.micros,
            cost_micro_cents=cost.micro_cents,
            price_version=cost.price_version,
            stop_reason=result.stop_reason,
            retry_at=retry_at,
            streamed=step_id in self._flushed or started.resumed,
        )
        if retry_at is not None:
            self._delay(step_id, Attempt(started.row_id, started.attempt, "failed", 0, retry_at))
        else:
            self.claim.attempts[step_id] = Attempt(started.row_id, started.attempt, status, 0, None)
        return ended

    def _retry_time(self, started: StepStarted, error: AppError) -> Any:
        step = self.claim.definition.step(started.step_id)
        assert step is not None
        retryable = isinstance(error, ProviderError) and error.retryable
        if not retryable or self._cancelled or self._failure or started.attempt >= step.retry.max_attempts:
            return None
        wait = backoff_ms(step.retry.backoff_ms, started.attempt, getattr(error, "retry_after", None))
        return self.runtime.clock.now() + timedelta(milliseconds=wait)

    def _failed(self, started: StepStarted, error: AppError) -> StepEnded:
        self._fail(started.step_id, error)
        self.claim.attempts[started.step_id] = Attempt(started.row_id, started.attempt, "failed", 0, None)
        content: dict[str, JsonValue] = {**started.content, "error": error.message}
        return StepEnded(
            started.step_id, started.row_id, started.attempt, "failed", content, error_code=error.code,
            held_micros=started.held_micros, started=started,
        )  # fmt: skip

    def _fail(self, step_id: str, error: AppError) -> None:
        if self._failure is None:
            self._failure = {"code": error.code, "message": error.message, "step_id": step_id}

    # -- ending -------------------------------------------------------------

    def _close_cut_calls(self, error: dict[str, JsonValue]) -> list[StepEnded]:
        """Ends of calls that a crash cut and nobody will repeat: their holds go back."""
        content = {"error": error["message"]}
        return [
            StepEnded(
                step_id, cut.row_id, cut.attempt, "failed", content, str(error["code"]), held_micros=cut.held_micros
            )
            for step_id, cut in self.claim.attempts.items()
            if cut.status == "running"
        ]

    def _ended(self) -> RunEnded:
        if self._cancelled:
            return RunEnded("cancelled", None, dict(CANCELLED))
        if self._failure is not None:
            return RunEnded("failed", None, self._failure)
        selected = self.claim.selection.steps
        if selected is not None:  # a run of some cells answers with the last of them
            done = [step_id for step_id in self._index if step_id in selected and step_id in self.outputs]
            return RunEnded("completed", self.outputs[done[-1]] if done else None)
        try:
            return RunEnded("completed", run_output(self.claim.definition, self._scope(), self.outputs))
        except InvalidInput as error:
            return RunEnded("failed", None, {"code": error.code, "message": error.message, "step_id": None})

    def _scope(self) -> dict[str, JsonValue]:
        return scope_of(self.claim.definition, self.claim.input_data, self.outputs)

    def _stop_tasks(self) -> None:
        for task in [*self._tasks, *self._timers]:
            task.cancel()
