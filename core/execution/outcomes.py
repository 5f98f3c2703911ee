"""What the result of a step means: passed on, tried again, or failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.execution.changes import StepEnded, StepStarted
from core.execution.failures import InnerFailure
from core.execution.frames import Frame
from core.execution.kinds import Prepared
from core.execution.kinds.condition import find_jump
from core.execution.kinds.port import StepResult
from core.execution.retries import Try, next_try
from core.execution.run_masks import RunMasker
from core.pipelines.definition import Step
from core.pipelines.outputs import format_output
from core.shared.clock import Clock
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step's task ended: with a change to record, or parked (None)."""

    ended: StepEnded | None
    output: JsonValue = None
    goto: JsonValue = None
    inner: Mapping[str, JsonValue] | None = None


def step_outcome(
    frame: Frame,
    step: Step,
    started: StepStarted,
    prepared: Prepared,
    result: StepResult,
    masker: RunMasker,
    clock: Clock,
    *,
    tried: Try | None,
    streamed: bool,
) -> Outcome:
    """The outcome of an attempt, secrets masked. `tried` None: no other attempt comes after it."""
    output, error, goto = masker.value(result.output), result.error, result.notes.get("goto")
    if error is None:
        try:
            output = format_output(step, output)
            if step.on_condition and goto is None:
                goto = find_jump(step, frame.scope_after(step.id, output), frame.flow.may_loop)
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
        following = None if tried is None else next_try(step, tried, error)
        if following is not None:
            retry_at = clock.now() + timedelta(milliseconds=following.wait_ms)
            content["next"] = following.as_json()
    elif goto is not None:
        content["goto"] = goto
    # What goes on to other steps is what is stored: a secret is masked before either.
    content = masker.content(content)
    content["parsed"] = output
    fresh = prepared.result is not None or (prepared.quiet and not started.reusable)
    ended = StepEnded(
        started.key,
        started.row_id,
        started.attempt,
        "completed" if error is None else "failed",
        content,
        error_code=error.code if error else None,
        input_tokens=result.input_tokens,
        output_tokens=result.output_tokens,
        held_micros=started.held_micros,
        credit_micros=result.cost.micros,
        cost_micro_cents=result.cost.micro_cents,
        price_version=result.cost.price_version,
        metered=result.cost.metered,
        stop_reason=result.stop_reason,
        retry_at=retry_at,
        started=started if fresh else None,
        streamed=streamed,
        departed=prepared.leaving.ended() if prepared.leaving is not None else (),
    )
    return Outcome(ended, output, content.get("goto"))
