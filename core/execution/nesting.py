"""Steps inside a step: the lists of a `parallel`, a `map` or a called pipeline, each a frame of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.execution.changes import Attempt, Progress, StepEnded, StepKey
from core.execution.domain import WITH_OUTPUT
from core.execution.failures import Stop, inner_failure
from core.execution.frames import Frame, FramePlan
from core.execution.kinds.port import Item, Nested, Prepared, StepResult
from core.execution.starts import step_started
from core.pipelines.definition import Step
from core.shared.errors import InvalidInput, ProviderError
from core.shared.types import JsonValue

if TYPE_CHECKING:
    from core.execution.advance import ActiveRun

BATCH_ITEMS = 500
PROGRESS_SECONDS = 0.25


class Nesting:
    """Runs what stands inside a step, for one run."""

    def __init__(self, run: ActiveRun) -> None:
        self._run = run
        self._plans: dict[tuple[int, int], FramePlan] = {}
        self._told_at = 0.0

    async def within_limit(
        self, frame: Frame, step: Step, key: StepKey, nested: Nested, *, again: bool, inner: dict[str, JsonValue]
    ) -> StepResult | None:
        """Run it, in the time that was written for the step as a whole, if any. None when it waits for somebody."""
        work = asyncio.ensure_future(self._all(frame, step, key, nested, again=again, inner=inner))
        try:
            limit, message = _limit_of(step, nested)
            done, _ = await asyncio.wait([work], timeout=limit)
        finally:
            work.cancel()
        if done:
            return work.result()
        await asyncio.wait([work])
        error = ProviderError("TIMEOUT", message, retryable=True)
        self._run.close_steps(frame.inner_path(key, None)[:-1], error)
        return StepResult(error=error)

    def inner_outputs(self, frame: Frame, step: Step, key: StepKey) -> dict[str, JsonValue]:
        """The outputs of the steps inside a `parallel` that the journal says is done."""
        if step.type != "parallel":
            return {}
        path = frame.inner_path(key, None)
        known = {each.id: self._run.claim.attempts.get(StepKey(path, each.id, 1)) for each in step.inner}
        return {name: attempt.output for name, attempt in known.items() if attempt is not None}

    async def _all(
        self, frame: Frame, step: Step, key: StepKey, nested: Nested, *, again: bool, inner: dict[str, JsonValue]
    ) -> StepResult | None:
        if nested.batch is not None:
            return await self._batches(frame, step, key, nested)
        outputs: list[JsonValue] = [None] * nested.count
        problems: dict[int, dict[str, JsonValue]] = {}
        numbers = iter(range(nested.count))
        waits: list[int] = []
        done = 0

        async def work() -> None:
            nonlocal done
            for number in numbers:
                if self._run.stopped is not None:
                    return
                item = nested.item(number)
                child = self._child(frame, step, key, nested, item, number, again=again)
                await self._run.run_frame(child)
                if child.failure is not None:
                    problems[number] = child.failure
                elif child.parked:
                    waits.append(number)
                else:
                    outputs[number] = nested.result(item, child.outputs)
                if nested.together:
                    inner.update(child.outputs)
                done += 1
                if nested.many:
                    self._tell_progress(key, done, nested.count, len(problems))

        workers = [asyncio.create_task(work()) for _ in range(min(nested.concurrency, nested.count))]
        try:
            for worker in workers:
                await worker
        finally:
            for worker in workers:
                worker.cancel()
        if self._run.stopped is not None:
            return _stopped(self._run.stopped)
        if problems:
            return StepResult(outputs if nested.many else None, error=inner_failure(step, problems, nested))
        return None if waits else StepResult(nested.collect(outputs))

    def _child(
        self, frame: Frame, step: Step, key: StepKey, nested: Nested, item: Item, number: int, *, again: bool
    ) -> Frame:
        name = (id(item.definition), id(item.steps))
        plan = self._plans.get(name)
        if plan is None:
            plan = self._plans[name] = FramePlan(item.definition, item.steps, together=nested.together)
        path = frame.inner_path(key, number if nested.many else None)
        reusable = tuple(plan.steps) if step.id in frame.reusable else ()
        return Frame(plan, item.base, files=item.files, path=path, reusable=reusable, again=again)

    async def _batches(self, frame: Frame, step: Step, key: StepKey, nested: Nested) -> StepResult:
        """Light items: many make one journal row, and only items that failed are worked out again."""
        assert nested.batch is not None
        outputs: list[JsonValue] = []
        problems: dict[int, dict[str, JsonValue]] = {}
        for start in range(0, nested.count, BATCH_ITEMS):
            end = min(start + BATCH_ITEMS, nested.count)
            row = StepKey(f"{frame.inner_path(key, None)[:-1]}[{start}:{end}]/", step.id, 1)
            known = self._run.claim.attempts.get(row)
            if known is not None and known.status in WITH_OUTPUT and isinstance(known.output, list):
                outputs += known.output
                continue
            if self._run.stopped is not None:
                return _stopped(self._run.stopped)
            worked = await asyncio.to_thread(_work_batch, nested.batch, start, end, known)
            # As for any other step: masked before it is stored or goes on.
            made, said = self._run.masker.batch([output for output, _ in worked], [message for _, message in worked])
            failed = {start + at: message for at, message in enumerate(said) if message is not None}
            outputs += made
            problems |= {
                at: {"code": "ITEM_FAILED", "message": message, "step_id": step.id} for at, message in failed.items()
            }
            self._record_batch(frame, step, row, known, made, failed)
            self._tell_progress(key, end, nested.count, len(problems))
        if problems:
            return StepResult(outputs, error=inner_failure(step, problems, nested))
        return StepResult(nested.collect(outputs))

    def _record_batch(
        self,
        frame: Frame,
        step: Step,
        row: StepKey,
        known: Attempt | None,
        outputs: list[JsonValue],
        failed: dict[int, str],
    ) -> None:
        number = 1 if known is None else known.attempt + 1
        started = step_started(frame, step, row, self._run.runtime.ids.new(), number, Prepared(), self._run.masker)
        content: dict[str, JsonValue] = {"parsed": outputs}
        status, code = "completed", None
        if failed:
            status, code = "failed", "ITEM_FAILED"
            content |= {"error": next(iter(failed.values())), "items": {str(at): text for at, text in failed.items()}}
        self._run.record(StepEnded(row, started.row_id, number, status, content, error_code=code, started=started))

    def _tell_progress(self, key: StepKey, done: int, count: int, failed: int) -> None:
        now = asyncio.get_running_loop().time()
        if done == count or now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            self._run.record(Progress(key, {"event": "progress", "done": done, "count": count, "failed": failed}))


def _limit_of(step: Step, nested: Nested) -> tuple[int | None, str]:
    """The seconds of a step as a whole: as written in it, or of the pipeline it calls; and what is said after them."""
    written = step.timeout_seconds if "timeout_seconds" in step.model_fields_set else None
    if nested.limit is not None and (written is None or nested.limit < written):
        return nested.limit, f"Not done within {nested.limit} s, the timeout_seconds of the called pipeline. Raise it."
    return written, f"Not done within {written} s, with the steps inside. Raise timeout_seconds."


def _work_batch(
    batch: Callable[[int, int], list[tuple[JsonValue, str | None]]], start: int, end: int, known: Attempt | None
) -> list[tuple[JsonValue, str | None]]:
    """A batch of items; where an earlier attempt is kept, only the items that failed in it."""
    failed = known.notes.get("items") if known is not None else None
    if known is None or not isinstance(failed, dict) or not isinstance(known.output, list):
        return batch(start, end)
    worked: list[tuple[JsonValue, str | None]] = [(output, None) for output in known.output]
    for number in map(int, failed):
        worked[number - start] = batch(number, number + 1)[0]
    return worked


def _stopped(why: Stop) -> StepResult:
    return StepResult(error=InvalidInput(why.code, why.message))
