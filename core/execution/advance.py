"""One run in the hands of this process: its frames, from what the journal says to where nothing can proceed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from core.accounts.domain import OwnKey
from core.execution.attachments import file_inputs, read_inputs
from core.execution.attempts import Attempts
from core.execution.budgets import within_budget
from core.execution.changes import (
    Applied,
    Attempt,
    Change,
    Claim,
    Departs,
    LostLease,
    Progress,
    RunEnded,
    RunParked,
    StepEnded,
    StepKey,
    StepStarted,
    StepWaits,
    cause_of,
)
from core.execution.deadline import Deadline
from core.execution.departures import Departures
from core.execution.domain import WITH_OUTPUT
from core.execution.endings import INTERNAL, INTERRUPTED, close_cut_steps, end_run
from core.execution.failures import CANCELLED, BudgetReached, Stop
from core.execution.flow import Jump
from core.execution.frames import Frame, main_plan
from core.execution.in_flight import InFlight
from core.execution.kinds import PREPARE, Prepared, StepContext
from core.execution.kinds.condition import find_jump
from core.execution.kinds.port import StepResult
from core.execution.nesting import Nesting
from core.execution.outcomes import Outcome, step_outcome
from core.execution.recorder import Apply, Recorder
from core.execution.retries import Try
from core.execution.run_masks import RunMasker
from core.execution.screening import known_placeholders
from core.execution.secrets import RunSecrets
from core.execution.starts import step_started
from core.pipelines.definition import Step
from core.platform.files.domain import FileView
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput
from core.shared.personal_data import Placeholders
from core.shared.types import JsonValue


class ActiveRun:
    """The state of a run between two journal writes: derived from the journal, never the truth."""

    def __init__(
        self,
        runtime: Runtime,
        claim: Claim,
        own_keys: Mapping[str, OwnKey],
        apply: Apply,
        secrets: RunSecrets,
    ) -> None:
        self.runtime = runtime
        self.claim = claim
        self._own_keys = own_keys
        self._secrets = secrets
        # A vendor knows the key it is called with; a gateway of somebody's own might tell it.
        told = {f"key of {provider}": key.secret for provider, key in own_keys.items() if key.base_url is not None}
        self.masker = RunMasker({**secrets.values, **told})
        self._placeholders = Placeholders(known_placeholders(each.notes for each in claim.attempts.values()))
        self._apply = apply
        self._hash = runtime.vault.keyed_hash(claim.owner_id, "fingerprint")
        self._recorder = Recorder(claim, apply, self._stop)
        self._nesting = Nesting(self)
        self._calls = InFlight(self.masker, self._tell)
        self._deadline = Deadline(runtime.clock, claim, self._calls.cut)
        self._root: asyncio.Task[Frame] | None = None
        self._attempts = Attempts(claim, self.masker)
        self._waiting = 0
        self._paused = False
        self._wake_at: datetime | None = None

    # -- from outside -------------------------------------------------------

    def cancel(self) -> None:
        """Stop calls in flight; what they used is settled."""
        self._calls.cut(CANCELLED)

    @property
    def stopped(self) -> Stop | None:
        """Why nothing is to be started any more: somebody cancelled the run, or its time is over."""
        return self._calls.stopped

    def record(self, change: Change) -> None:
        """Queue a change for the journal."""
        self._recorder.put(change)

    def close_steps(self, path: str, error: AppError) -> None:
        """End the steps under a path that were cut: their holds go back."""
        for end in self._attempts.close(path, error):
            self.record(end)

    def lose(self) -> None:
        """The lease is gone: stop and write nothing."""
        self._calls.lost = True
        self._stop()

    def take_tokens(self) -> list[tuple[Claim, str, str]]:
        """The text streamed in since the last call, by step."""
        return [(self.claim, step_id, text) for step_id, text in self._calls.take_tokens()]

    async def proceed(self) -> RunParked | None:
        """Go on until the run ends (None) or nothing can proceed. Raises LostLease."""
        claim = self.claim
        if claim.cancelled:
            self.cancel()
        self._deadline.start()
        try:
            return await self._proceed(claim)
        finally:
            self._deadline.stop()

    async def _proceed(self, claim: Claim) -> RunParked | None:
        plan = main_plan(claim.definition)
        files: dict[str, FileView] = {}
        values = dict(claim.input_data)
        if file_inputs(claim.definition):
            args = (self.runtime, claim.owner_id, claim.definition, claim.input_data)
            files, values = await asyncio.to_thread(read_inputs, *args)
        base: dict[str, JsonValue] = {"input": values, "vars": dict(claim.definition.variables), "steps": {}}
        root = Frame(plan, base, files=files, chosen=claim.selection.steps, reusable=claim.selection.reusable)
        self._root = asyncio.create_task(self.run_frame(root))
        try:
            await self._root
        except asyncio.CancelledError:
            if self._recorder.error is not None:
                raise self._recorder.error from None
            if self._calls.lost:
                raise LostLease from None
            raise
        finally:
            self._stop()
            self._deadline.stop()
        stopped = self.stopped
        if root.parked and root.failure is None and stopped is None:
            parked = RunParked(self._waiting, self._deadline.first(self._wake_at), self._paused)
            applied = await self._recorder.put(parked)
            await self._recorder.settle()
            return replace(parked, waiting=0, wake_at=self.runtime.clock.now()) if applied.decided else parked
        for change in close_cut_steps(claim, INTERRUPTED if stopped is None else stopped.of_run):
            self._recorder.put(change)
        self._recorder.put(end_run(claim, root, stopped, self.masker, self._secrets))
        await self._recorder.settle()
        return None

    async def fail_internally(self) -> None:
        """End a run that our own defect stopped."""
        recorder = Recorder(self.claim, self._apply, lambda: None)
        for change in close_cut_steps(self.claim, INTERNAL):
            recorder.put(change)
        recorder.put(RunEnded("failed", None, dict(INTERNAL)))
        await recorder.settle()

    # -- frames -------------------------------------------------------------

    async def run_frame(self, frame: Frame) -> Frame:
        """Take a frame as far as it goes: to its end, to a failure, or to where somebody must decide."""
        running: dict[asyncio.Task[Outcome], str] = {}
        try:
            while True:
                while ready := self._next(frame):
                    for step_id in ready:
                        if frame.failure is not None:
                            break
                        task = self._begin(frame, step_id)
                        if task is not None:
                            running[task] = step_id
                if not running:
                    return frame
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task.done()]:
                    self._settle(frame, running.pop(task), task.result())
        finally:
            for task in running:
                task.cancel()

    def _next(self, frame: Frame) -> list[str]:
        """What to take up. What the journal knows comes first: nothing is started beside a failure, or after a stop."""
        ready = [] if frame.failure is not None else frame.flow.ready()
        known = [step_id for step_id in ready if self._is_known(frame, step_id)]
        return known or ([] if self.stopped is not None else ready)

    def _is_over(self, frame: Frame) -> bool:
        return frame.failure is not None or self.stopped is not None

    def _is_known(self, frame: Frame, step_id: str) -> bool:
        known = self.claim.attempts.get(frame.key(step_id))
        failed = known is not None and known.status == "failed" and not known.retry_at and not frame.again
        return failed or (known is not None and known.status in WITH_OUTPUT)

    def _begin(self, frame: Frame, step_id: str) -> "asyncio.Task[Outcome] | None":
        """Take up a step where the journal left it. None when it is done, or waits, or failed."""
        key, step = frame.key(step_id), frame.plan.steps[step_id]
        frame.flow.start(step_id)
        known = self.claim.attempts.get(key)
        if known is None:
            return self._start(frame, step, key, None, Try())
        if known.status in WITH_OUTPUT:
            self._take_over(frame, step, key, known)
            return None
        if known.status == "waiting":
            self._waiting += 1
            frame.parked = True
            return None
        if known.status == "failed" and known.retry_at is not None:
            return asyncio.create_task(self._try_later(frame, step, key, known))
        if known.status == "failed" and not frame.again:
            message = f"Step {step_id} failed."
            frame.failure = {"code": "STEP_FAILED", "message": message, "step_id": step_id}
            return None
        return self._start(frame, step, key, known, Try.read(known.notes.get("try")))

    def _take_over(self, frame: Frame, step: Step, key: StepKey, known: Attempt) -> None:
        """Go on after a step that the journal holds the end of."""
        goto = known.notes.get("goto")
        if step.type == "human_review" and step.on_condition:
            # An answer is recorded outside of a run, so its rules are asked here: at every replay with the same result.
            try:
                goto = find_jump(step, frame.scope_after(step.id, known.output), frame.flow.may_loop)
            except InvalidInput as problem:
                message = self.masker.text(problem.message)
                frame.failure = {"code": problem.code, "message": message, "step_id": step.id}
                return
        self._pass(frame, step, known.output, goto, self._nesting.inner_outputs(frame, step, key))

    def _settle(self, frame: Frame, step_id: str, outcome: Outcome) -> None:
        """Record how a step ended, and go on after it."""
        if outcome.ended is None:
            frame.parked = True
            return
        if outcome.ended.status != "reused":
            self._recorder.put(outcome.ended)
        if outcome.ended.status == "failed":
            self._fail(frame, step_id, outcome.ended)
        else:
            self._pass(frame, frame.plan.steps[step_id], outcome.output, outcome.goto, outcome.inner)

    def _pass(
        self, frame: Frame, step: Step, output: JsonValue, goto: JsonValue, inner: Mapping[str, JsonValue] | None
    ) -> None:
        frame.outputs[step.id] = output
        frame.outputs.update(inner or {})
        jump = Jump(str(goto["to"]), goto["rule"]) if isinstance(goto, dict) else None  # type: ignore[arg-type]
        for skipped in frame.flow.finish(step.id, jump):
            over = frame.plan.steps[skipped.step_id]
            frame.outputs.update(dict.fromkeys((over.id, *(each.id for each in over.inner))))
            key = StepKey(frame.path, over.id, skipped.visit)
            if key not in self.claim.attempts:
                self._recorder.put(self._attempts.skip(frame, over, key, self.runtime.ids.new(), skipped.by))

    def _fail(self, frame: Frame, step_id: str, ended: StepEnded) -> None:
        if frame.failure is None:
            place = str(ended.content.get("failed_step") or step_id)
            message = str(ended.content.get("error"))
            frame.failure = {"code": str(ended.error_code), "message": message, "step_id": place}

    # -- steps --------------------------------------------------------------

    def _start(
        self, frame: Frame, step: Step, key: StepKey, earlier: Attempt | None, tried: Try
    ) -> "asyncio.Task[Outcome] | None":
        """Begin an attempt of a step. None when it is done at once, or waits for a person."""
        resumed = earlier is not None and earlier.status == "running"
        number = 1 if earlier is None else earlier.attempt + (0 if resumed else 1)
        row_id = earlier.row_id if earlier is not None and resumed else self.runtime.ids.new()
        held = earlier.held_micros if earlier is not None and resumed else 0
        try:
            prepared = self._prepared(frame, step, key, number, tried, held)
        except AppError as error:
            if isinstance(error, BudgetReached) and error.pause:
                self._paused = frame.parked = True
                return None
            started = step_started(
                frame, step, key, row_id, number, Prepared(held_micros=held), self.masker, resumed=resumed
            )
            self._attempts.held -= held
            failed = self._attempts.fail(started, error)
            self._recorder.put(failed)
            self._fail(frame, step.id, failed)
            return None
        if resumed:
            prepared = replace(prepared, held_micros=held)
        if tried != Try():
            prepared = replace(prepared, content={**prepared.content, "try": tried.as_json()})
        started = step_started(frame, step, key, row_id, number, prepared, self.masker, resumed=resumed)
        if prepared.question is not None:
            self._ask(frame, key, started, prepared)
            return None
        if prepared.result is not None:
            outcome = self._outcome(frame, step, started, prepared, prepared.result)
            self._settle(frame, step.id, outcome)
            return None
        looks = prepared.leaving is not None and prepared.leaving.look is not None
        if resumed or not looks:  # else it is under way once it was looked at
            self._attempts.begin(started)
        self._attempts.held += prepared.held_micros - held
        recorded = None if looks or (prepared.quiet and not started.reusable) else self._recorder.put(started)
        return asyncio.create_task(self._execute(frame, step, key, started, prepared, tried, recorded))

    def _prepared(self, frame: Frame, step: Step, key: StepKey, number: int, tried: Try, held: int) -> Prepared:
        context = StepContext(
            self.runtime,
            self.claim,
            frame.plan.definition,
            step,
            frame.scope(step.id),
            self._hash,
            cause_of(self.claim.run_id, key, number),
            cause_of(self.claim.run_id, key, 0).removesuffix(":0"),
            self._own_keys,
            self._secrets.values,
            frame.files,
            tried.model_of(step),
            frame.before(step.id) if step.type == "human_review" else None,
            self._placeholders,
        )
        return within_budget(context, PREPARE[step.type](context), self._attempts.spent + self._attempts.held - held)

    def _ask(self, frame: Frame, key: StepKey, started: StepStarted, prepared: Prepared) -> None:
        question = prepared.question
        assert question is not None
        due = self.runtime.clock.now() + question.time
        self._recorder.put(StepWaits(started, self.masker.content(question.facts), question.on_timeout, due))
        self._attempts.wait(started)
        self._waiting += 1
        frame.parked = True

    async def _execute(
        self,
        frame: Frame,
        step: Step,
        key: StepKey,
        started: StepStarted,
        prepared: Prepared,
        tried: Try,
        recorded: "asyncio.Future[Applied] | None",
    ) -> Outcome:
        """Carry out a step whose beginning is journalled, or is once what it sends was looked at."""
        if prepared.leaving is not None and prepared.leaving.look is not None:
            prepared, started = await self._looked_at(key, prepared, prepared.leaving, started)
            recorded = self._recorder.put(started)
        if recorded is not None:
            applied = await recorded
            reused = applied.reused.get(started.row_id)
            if reused is not None:
                self._attempts.let_go(started, "reused")
                output, content = reused
                same = StepEnded(key, started.row_id, started.attempt, "reused", content)
                return Outcome(same, output, content.get("goto"))
            refusal = applied.refused.get(started.row_id)
            if refusal is not None:
                self._attempts.held -= started.held_micros
                kept = started if started.resumed else replace(started, held_micros=0)  # nothing is held yet
                return Outcome(self._attempts.fail(kept, refusal))
        if prepared.leaving is not None:
            prepared.leaving.leave = lambda departure: self._recorder.put(Departs(key, departure))
        inner: dict[str, JsonValue] = {}
        if prepared.nested is not None:
            nested = await self._nesting.within_limit(
                frame, step, key, prepared.nested, again=tried.number > 1, inner=inner
            )
            if nested is None:
                return Outcome(None)
            result = nested
        else:
            result = await self._calls.make(key, step, prepared)
        outcome = self._outcome(frame, step, started, prepared, result, tried)
        if outcome.ended is not None and outcome.ended.retry_at is not None:
            await self._recorder.put(outcome.ended)
            return await self._try_later(frame, step, key, self.claim.attempts[key])
        return replace(outcome, inner=inner)

    async def _looked_at(
        self, key: StepKey, prepared: Prepared, leaving: Departures, started: StepStarted
    ) -> tuple[Prepared, StepStarted]:
        """A step with what was found in what it sends, or with the reason why it may not."""
        assert leaving.look is not None
        try:
            look = await leaving.look()
        except BaseException:
            self._attempts.held -= 0 if started.resumed else started.held_micros
            raise
        leaving.first = look.departure
        prepared = replace(prepared, content={**prepared.content, **look.content})
        self._attempts.begin(started)
        found = look.content.get("personal_data")
        if isinstance(found, dict):
            self._tell(key, {"event": "personal_data", **found})
        content = self.masker.content(prepared.content)
        return prepared, replace(started, content=content, departure=look.departure, refusal=look.refusal)

    async def _try_later(self, frame: Frame, step: Step, key: StepKey, failed: Attempt) -> Outcome:
        """Wait until the next attempt is due, and make it; the wait is given up when the whole run only waits."""
        assert failed.retry_at is not None
        if not await self._calls.wait_until(failed.retry_at, self.runtime.clock):
            self._wake_at = failed.retry_at if self._wake_at is None else min(failed.retry_at, self._wake_at)
            return Outcome(None)
        if self._is_over(frame):
            return Outcome(None)
        task = self._start(frame, step, key, failed, Try.read(failed.notes.get("next")))
        return await task if task is not None else Outcome(None)

    def _outcome(
        self,
        frame: Frame,
        step: Step,
        started: StepStarted,
        prepared: Prepared,
        result: StepResult,
        tried: Try | None = None,
    ) -> Outcome:
        """What a result means, with the attempt noted as ended."""
        following = None if self._is_over(frame) else tried
        streamed = step.id in self._calls.flushed or started.resumed
        outcome = step_outcome(
            frame, step, started, prepared, result, self.masker, self.runtime.clock,
            tried=following, streamed=streamed,
        )  # fmt: skip
        self._attempts.settle(started, outcome)
        return outcome

    def _tell(self, key: StepKey, facts: dict[str, JsonValue]) -> None:
        self._recorder.put(Progress(key, self.masker.content(facts)))

    def _stop(self) -> None:
        if self._root is not None:
            self._root.cancel()
