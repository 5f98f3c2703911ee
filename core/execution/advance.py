"""One run in the hands of this process: its frames, from what the journal says to where nothing can proceed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.accounts.domain import OwnKey
from core.execution.attachments import file_inputs, read_inputs
from core.execution.changes import (
    Applied,
    Attempt,
    Change,
    Claim,
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
from core.execution.domain import WITH_OUTPUT
from core.execution.drafts import draft_deliveries
from core.execution.failures import BudgetReached, InnerFailure
from core.execution.flow import Jump
from core.execution.frames import Frame, main_plan
from core.execution.kinds import PREPARE, Prepared, StepContext
from core.execution.kinds.condition import find_jump
from core.execution.kinds.port import Live, StepResult
from core.execution.nesting import Nesting
from core.execution.recorder import Apply, Recorder
from core.execution.retries import Try, next_try
from core.pipelines.definition import Step
from core.pipelines.outputs import format_output, run_output
from core.platform.files.domain import FileView
from core.platform.runtime import Runtime
from core.shared.errors import AppError, InvalidInput, ProviderError
from core.shared.masking import Masker, StreamMasker
from core.shared.types import JsonValue

INTERRUPTED: dict[str, JsonValue] = {
    "code": "INTERRUPTED",
    "message": "The server stopped during this step, and the run ended before it was repeated. It cost nothing.",
}
CANCELLED: dict[str, JsonValue] = {"code": "CANCELLED", "message": "The run was cancelled.", "step_id": None}
INTERNAL: dict[str, JsonValue] = {
    "code": "INTERNAL",
    "message": "Something broke on our side; it was logged. Run it again.",
    "step_id": None,
}
PARK_AFTER = 2.0  # seconds: a shorter wait is not worth letting go of the run


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step's task ended: with a change to record, or parked (None)."""

    ended: StepEnded | None
    output: JsonValue = None
    goto: JsonValue = None
    inner: Mapping[str, JsonValue] | None = None


class ActiveRun:
    """The state of a run between two journal writes: derived from the journal, never the truth."""

    def __init__(
        self,
        runtime: Runtime,
        claim: Claim,
        own_keys: Mapping[str, OwnKey],
        apply: Apply,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self.runtime = runtime
        self.claim = claim
        self._own_keys = own_keys
        self._secrets = secrets or {}
        self._masker = Masker(self._secrets)
        self._apply = apply
        self._hash = runtime.vault.keyed_hash(claim.owner_id, "fingerprint")
        self._recorder = Recorder(claim, apply, self._stop)
        self._nesting = Nesting(self)
        self._calls: dict[asyncio.Task[StepResult], Frame] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._live: dict[str, list[str]] = {}
        self._flushed: set[str] = set()
        self._root: asyncio.Task[Frame] | None = None
        self._cancelled = claim.cancelled
        self._lost = False
        self._spent = claim.spent_micros
        self._held = 0
        self._waiting = 0
        self._paused = False
        self._wake_at: datetime | None = None

    # -- from outside -------------------------------------------------------

    def cancel(self) -> None:
        """Stop calls in flight; what they used is settled."""
        self._cancelled = True
        for call in list(self._calls):
            call.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self._cancelled

    def record(self, change: Change) -> None:
        """Queue a change for the journal."""
        self._recorder.put(change)

    def close_steps(self, path: str, error: AppError) -> None:
        """End the steps under a path that were cut: their holds go back."""
        cut = [key for key, attempt in self.claim.attempts.items() if attempt.status in ("running", "waiting")]
        for key in cut:
            if key.frame.startswith(path):
                known = self.claim.attempts[key]
                self._held -= known.held_micros
                self.claim.attempts[key] = Attempt(known.row_id, known.attempt, "failed", 0, None)
                content: dict[str, JsonValue] = {"error": self._masker.mask_text(error.message)}
                self.record(
                    StepEnded(
                        key, known.row_id, known.attempt, "failed", content, error.code, held_micros=known.held_micros
                    )
                )

    def lose(self) -> None:
        """The lease is gone: stop and write nothing."""
        self._lost = True
        self._stop()

    def take_tokens(self) -> list[tuple[Claim, str, str]]:
        """The text streamed in since the last call, by step."""
        taken = [(self.claim, step_id, "".join(parts)) for step_id, parts in self._live.items() if parts]
        for _, step_id, _ in taken:
            self._live[step_id] = []
            self._flushed.add(step_id)
        return taken

    async def proceed(self) -> RunParked | None:
        """Go on until the run ends (None) or nothing can proceed. Raises LostLease."""
        claim = self.claim
        plan = main_plan(claim.definition)
        files, values = await self._read_inputs()
        base: dict[str, JsonValue] = {"input": values, "vars": dict(claim.definition.variables), "steps": {}}
        root = Frame(plan, base, files=files, chosen=claim.selection.steps, reusable=claim.selection.reusable)
        self._root = asyncio.create_task(self.run_frame(root))
        try:
            await self._root
        except asyncio.CancelledError:
            if self._recorder.error is not None:
                raise self._recorder.error from None
            if self._lost:
                raise LostLease from None
            raise
        finally:
            self._stop()
        if root.parked and root.failure is None and not self._cancelled:
            parked = RunParked(self._waiting, self._wake_at, self._paused)
            applied = await self._recorder.put(parked)
            await self._recorder.settle()
            return replace(parked, waiting=0, wake_at=self.runtime.clock.now()) if applied.decided else parked
        for change in self._close_cut_steps(CANCELLED if self._cancelled else INTERRUPTED):
            self._recorder.put(change)
        self._recorder.put(self._ended(root))
        await self._recorder.settle()
        return None

    async def _read_inputs(self) -> tuple[dict[str, FileView], dict[str, JsonValue]]:
        claim = self.claim
        if not file_inputs(claim.definition):
            return {}, dict(claim.input_data)
        args = (self.runtime, claim.owner_id, claim.definition, claim.input_data)
        return await asyncio.to_thread(read_inputs, *args)

    async def fail_internally(self) -> None:
        """End a run that our own defect stopped."""
        recorder = Recorder(self.claim, self._apply, lambda: None)
        for change in self._close_cut_steps(INTERNAL):
            recorder.put(change)
        recorder.put(RunEnded("failed", None, dict(INTERNAL)))
        await recorder.settle()

    # -- frames -------------------------------------------------------------

    async def run_frame(self, frame: Frame) -> Frame:
        """Take a frame as far as it goes: to its end, to a failure, or to where somebody must decide."""
        running: dict[asyncio.Task[Outcome], str] = {}
        try:
            while True:
                while not self._is_over(frame) and (ready := frame.flow.ready()):
                    # What the journal knows comes first: nothing is started beside a failure.
                    for step_id in [step_id for step_id in ready if self._is_known(frame, step_id)] or ready:
                        if self._is_over(frame):
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

    def _is_over(self, frame: Frame) -> bool:
        return frame.failure is not None or self._cancelled

    def _is_known(self, frame: Frame, step_id: str) -> bool:
        known = self.claim.attempts.get(frame.key(step_id))
        return known is not None and (known.status in WITH_OUTPUT or (known.status == "failed" and not known.retry_at))

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
                goto = self._jump_after(frame, step, known.output)
            except InvalidInput as problem:
                message = self._masker.mask_text(problem.message)
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
                self._recorder.put(self._skip(frame, over, key, skipped.by))

    def _skip(self, frame: Frame, step: Step, key: StepKey, by: str) -> StepEnded:
        started = self.started(frame, step, key, self.runtime.ids.new(), 1, Prepared())
        self.claim.attempts[key] = Attempt(started.row_id, 1, "skipped", 0, None)
        reason = f"{by} went on elsewhere."
        return StepEnded(key, started.row_id, 1, "skipped", {"reason": reason, "by": by}, started=started)

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
            prepared = self._prepared(frame, step, key, number, tried)
        except AppError as error:
            if isinstance(error, BudgetReached) and error.pause:
                self._paused = frame.parked = True
                return None
            started = self.started(frame, step, key, row_id, number, Prepared(held_micros=held), resumed=resumed)
            failed = self._failed(key, started, error)
            self._recorder.put(failed)
            self._fail(frame, step.id, failed)
            return None
        if resumed:
            prepared = replace(prepared, held_micros=held)
        if tried != Try():
            prepared = replace(prepared, content={**prepared.content, "try": tried.as_json()})
        started = self.started(frame, step, key, row_id, number, prepared, resumed=resumed)
        if prepared.question is not None:
            self._ask(frame, key, started, prepared)
            return None
        if prepared.result is not None:
            outcome = self._outcome(frame, step, key, started, prepared, prepared.result)
            self._settle(frame, step.id, outcome)
            return None
        self.claim.attempts[key] = Attempt(row_id, number, "running", prepared.held_micros, None)
        self._held += prepared.held_micros
        recorded = None if prepared.quiet and not started.reusable else self._recorder.put(started)
        return asyncio.create_task(self._execute(frame, step, key, started, prepared, tried, recorded))

    def _prepared(self, frame: Frame, step: Step, key: StepKey, number: int, tried: Try) -> Prepared:
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
            self._secrets,
            frame.files,
            tried.model_of(step),
            frame.before(step.id) if step.type == "human_review" else None,
        )
        prepared = PREPARE[step.type](context)
        budget = self.claim.definition.budget
        if budget is None or self.claim.budget_lifted or prepared.held_micros == 0:
            return prepared
        left = int(budget.max_credits * 1_000_000) - self._spent - self._held
        if prepared.held_micros <= left:
            return prepared
        if budget.on_exceed == "downgrade" and context.model != budget.downgrade_to:
            cheaper = PREPARE[step.type](replace(context, model=budget.downgrade_to))
            if cheaper.held_micros <= left:
                return replace(cheaper, content={**cheaper.content, "downgraded_from": prepared.model})
        raise BudgetReached(budget.max_credits, pause=budget.on_exceed == "pause")

    def _ask(self, frame: Frame, key: StepKey, started: StepStarted, prepared: Prepared) -> None:
        question = prepared.question
        assert question is not None
        due = self.runtime.clock.now() + question.time
        self._recorder.put(StepWaits(started, self.masked(question.facts), question.on_timeout, due))
        self.claim.attempts[key] = Attempt(started.row_id, started.attempt, "waiting", 0, None)
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
        """Carry out a step whose beginning is journalled."""
        if recorded is not None:
            applied = await recorded
            reused = applied.reused.get(started.row_id)
            if reused is not None:
                self._let_go(key, started, "reused")
                output, content = reused
                same = StepEnded(key, started.row_id, started.attempt, "reused", content)
                return Outcome(same, output, content.get("goto"))
            refusal = applied.refused.get(started.row_id)
            if refusal is not None:
                self._held -= started.held_micros
                return Outcome(self._failed(key, replace(started, held_micros=0), refusal))
        inner: dict[str, JsonValue] = {}
        if prepared.nested is not None:
            nested = await self._nesting.within_limit(
                frame, step, key, prepared.nested, again=tried.number > 1, inner=inner
            )
            if nested is None:
                return Outcome(None)
            result = nested
        else:
            result = await self._call(frame, step, prepared)
        outcome = self._outcome(frame, step, key, started, prepared, result, tried)
        if outcome.ended is not None and outcome.ended.retry_at is not None:
            await self._recorder.put(outcome.ended)
            return await self._try_later(frame, step, key, self.claim.attempts[key])
        return replace(outcome, inner=inner)

    async def _try_later(self, frame: Frame, step: Step, key: StepKey, failed: Attempt) -> Outcome:
        """Wait until the next attempt is due, and make it; the wait is given up when the whole run only waits."""
        assert failed.retry_at is not None
        if not await self._wait_until(failed.retry_at) or self._is_over(frame):
            return Outcome(None)
        task = self._start(frame, step, key, failed, Try.read(failed.notes.get("next")))
        return await task if task is not None else Outcome(None)

    async def _wait_until(self, due: datetime) -> bool:
        while (left := (due - self.runtime.clock.now()).total_seconds()) > 0 and not self._cancelled:
            if left > PARK_AFTER and self._idle.is_set():
                await asyncio.sleep(0.05)  # between two steps nothing is called either
                if self._idle.is_set():
                    self._wake_at = due if self._wake_at is None else min(due, self._wake_at)
                    return False
            try:
                await asyncio.wait_for(self._idle.wait() if left > PARK_AFTER else asyncio.sleep(left), left)
            except TimeoutError:
                continue
        return True

    async def _call(self, frame: Frame, step: Step, prepared: Prepared) -> StepResult:
        """Make a call that can be cut. What was streamed before is part of what a cut call used."""
        assert prepared.execute is not None
        streamed: list[str] = []
        tell_live = not frame.path or "[" not in frame.path

        masked = StreamMasker(self._masker)

        def delta(text: str) -> None:
            streamed.append(text)
            if tell_live:
                self._live.setdefault(step.id, []).append(masked.feed(text) if self._masker else text)

        def tell(facts: dict[str, JsonValue]) -> None:
            self._recorder.put(Progress(frame.key(step.id), self.masked(facts)))

        call = asyncio.ensure_future(self._bounded(step, prepared, Live(delta, tell)))
        self._calls[call] = frame
        self._idle.clear()
        if self._cancelled:
            call.cancel()
        try:
            await asyncio.wait([call])
        finally:
            call.cancel()
            self._calls.pop(call, None)
            if not self._calls:
                self._idle.set()
        self._live.pop(step.id, None)
        if not call.cancelled():
            return call.result()
        if self._lost or not self._cancelled:
            raise asyncio.CancelledError
        stopped = InvalidInput("CANCELLED", "The call was stopped when the run was cancelled.")
        return StepResult(error=stopped) if prepared.cut is None else prepared.cut("".join(streamed))

    async def _bounded(self, step: Step, prepared: Prepared, live: Live) -> StepResult:
        assert prepared.execute is not None
        try:
            async with asyncio.timeout(prepared.limit):
                return await prepared.execute(live)
        except TimeoutError:
            message = f"Not done within {step.timeout_seconds} s. Raise timeout_seconds or do less in this step."
            return StepResult(error=ProviderError("TIMEOUT", message, retryable=True))
        except AppError as error:
            return StepResult(error=error)

    def _outcome(
        self,
        frame: Frame,
        step: Step,
        key: StepKey,
        started: StepStarted,
        prepared: Prepared,
        result: StepResult,
        tried: Try | None = None,
    ) -> Outcome:
        """What a result means: passed on, tried again, or failed."""
        output, error, goto = self._mask(result.output), result.error, result.notes.get("goto")
        if error is None:
            try:
                output = format_output(step, output)
                if step.on_condition and goto is None:
                    goto = self._jump_after(frame, step, output)
            except InvalidInput as problem:
                error = problem
        content: dict[str, JsonValue] = {**prepared.content, "raw": result.raw}
        if result.trace:
            content["trace"] = result.trace
        content.update(result.notes)
        retry_at: datetime | None = None
        if error is not None:
            content["error"] = error.message
            if isinstance(error, InnerFailure):
                content["failed_step"] = error.step_id
            following = None if self._is_over(frame) or tried is None else next_try(step, tried, error)
            if following is not None:
                retry_at = self.runtime.clock.now() + timedelta(milliseconds=following.wait_ms)
                content["next"] = following.as_json()
        elif goto is not None:
            content["goto"] = goto
        # What goes on to other steps is what is stored: a secret is masked before either.
        content = self.masked(content)
        content["parsed"] = output
        status = "completed" if error is None else "failed"
        fresh = prepared.result is not None or (prepared.quiet and not started.reusable)
        ended = StepEnded(
            key,
            started.row_id,
            started.attempt,
            status,
            content,
            error_code=error.code if error else None,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            held_micros=started.held_micros,
            credit_micros=result.cost.micros,
            cost_micro_cents=result.cost.micro_cents,
            price_version=result.cost.price_version,
            stop_reason=result.stop_reason,
            retry_at=retry_at,
            started=started if fresh else None,
            streamed=step.id in self._flushed or started.resumed,
        )
        notes: dict[str, JsonValue] = {name: content[name] for name in ("goto", "next") if name in content}
        self._let_go(key, started, status, retry_at, output, notes)
        self._spent += result.cost.micros
        return Outcome(ended, output, content.get("goto"))

    def _jump_after(self, frame: Frame, step: Step, output: JsonValue) -> JsonValue:
        scope = frame.scope(step.id)
        steps = scope["steps"]
        assert isinstance(steps, dict)
        scope["steps"] = {**steps, step.id: {"output": output}}
        return find_jump(step, scope, frame.flow.may_loop)

    def _let_go(
        self,
        key: StepKey,
        started: StepStarted,
        status: str,
        retry_at: datetime | None = None,
        output: JsonValue = None,
        notes: dict[str, JsonValue] | None = None,
    ) -> None:
        known = self.claim.attempts.get(key)
        if known is not None and known.status == "running":
            self._held -= started.held_micros
        self.claim.attempts[key] = Attempt(started.row_id, started.attempt, status, 0, retry_at, output, notes or {})

    def started(
        self,
        frame: Frame,
        step: Step,
        key: StepKey,
        row_id: str,
        number: int,
        prepared: Prepared,
        *,
        resumed: bool = False,
    ) -> StepStarted:
        """The beginning of an attempt, as the journal is told it."""
        return StepStarted(
            key,
            row_id,
            frame.plan.index[step.id],
            step.type,
            number,
            prepared.model,
            prepared.provider,
            prepared.fingerprint,
            prepared.held_micros,
            step.id in frame.reusable and prepared.fingerprint is not None,
            resumed,
            self.masked(prepared.content),
        )

    def _failed(self, key: StepKey, started: StepStarted, error: AppError) -> StepEnded:
        self.claim.attempts[key] = Attempt(started.row_id, started.attempt, "failed", 0, None)
        content: dict[str, JsonValue] = {**started.content, "error": self._masker.mask_text(error.message)}
        return StepEnded(
            key, started.row_id, started.attempt, "failed", content, error_code=error.code,
            held_micros=started.held_micros, started=started,
        )  # fmt: skip

    def _mask(self, value: JsonValue) -> JsonValue:
        return self._masker.mask_json(value) if self._masker else value

    def mask_batch(
        self, outputs: list[JsonValue], messages: list[str | None]
    ) -> tuple[list[JsonValue], list[str | None]]:
        """The same for what came of many light items: their outputs, and what went wrong."""
        if not self._masker:
            return outputs, messages
        said = [None if message is None else self._masker.mask_text(message) for message in messages]
        return [self._masker.mask_json(output) for output in outputs], said

    def masked(self, content: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The content with every secret of the run masked."""
        masked = self._mask(content)
        assert isinstance(masked, dict)
        return masked

    # -- ending -------------------------------------------------------------

    def _close_cut_steps(self, error: dict[str, JsonValue]) -> list[StepEnded]:
        """Ends of steps that will not go on: calls that a crash cut, and questions that nobody needs to answer."""
        return [
            StepEnded(
                key, cut.row_id, cut.attempt, "failed", {"error": error["message"]}, str(error["code"]),
                held_micros=cut.held_micros,
            )
            for key, cut in self.claim.attempts.items()
            if cut.status in ("running", "waiting")
        ]  # fmt: skip

    def _ended(self, root: Frame) -> RunEnded:
        ended = self._ending(root)
        steps: dict[str, JsonValue] = {name: {"output": output} for name, output in root.outputs.items()}
        # What was entered may hold a secret: the steps may use it, but it is told to nobody else.
        scope = self.masked({**root.base, "steps": steps})
        drafts = draft_deliveries(self.claim, ended.status, scope, self._secrets)
        return replace(ended, deliveries=drafts) if drafts else ended

    def _ending(self, root: Frame) -> RunEnded:
        definition = self.claim.definition
        if self._cancelled:
            return RunEnded("cancelled", None, dict(CANCELLED))
        if root.failure is not None:
            return RunEnded("failed", None, root.failure)
        selected = self.claim.selection.steps
        if selected is not None:  # a run of some cells answers with the last of them
            done = [step_id for step_id in root.plan.steps if step_id in selected and step_id in root.outputs]
            return RunEnded("completed", root.outputs[done[-1]] if done else None)
        try:
            steps: dict[str, JsonValue] = {name: {"output": output} for name, output in root.outputs.items()}
            output = run_output(definition, {**root.base, "steps": steps}, root.outputs)
            return RunEnded("completed", self._mask(output))
        except InvalidInput as error:
            message = self._masker.mask_text(error.message)
            return RunEnded("failed", None, {"code": error.code, "message": message, "step_id": None})

    def _stop(self) -> None:
        if self._root is not None:
            self._root.cancel()
