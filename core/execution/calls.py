"""One model call of a step: time limit, parsing, and the one repair of JSON that misses its schema."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.execution.preparation import PreparedCall
from core.execution.screening import PersonalDataBlocked
from core.execution.vendor_turns import VendorTurns, wait_outside
from core.pipelines.definition import LlmStep
from core.pipelines.outputs import OutputMismatch, parse_output, repair_prompt
from core.providers.catalogue import Catalogue
from core.providers.domain import ModelPort, ModelReply, Usage
from core.providers.tokens import estimate_tokens
from core.shared.errors import AppError, InvalidInput, ProviderError
from core.shared.types import JsonValue

GRACE_SECONDS = 1.0  # the adapter's own time limit comes first, with a better message


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended. `usages`: one a request that the vendor billed."""

    raw: str | None = None
    parsed: JsonValue = None
    usages: tuple[Usage, ...] = ()
    stop_reason: str | None = None
    error: AppError | None = None
    trace: list[JsonValue] = field(default_factory=list)

    @classmethod
    def cut(cls, catalogue: Catalogue, call: PreparedCall, streamed: str) -> "CallResult":
        """A call that was cancelled: the vendor bills the prompt and what it wrote, which is estimated here."""
        error = InvalidInput("CANCELLED", "The call was stopped when the run was cancelled.")
        if not streamed:
            return cls(error=error)
        read = estimate_tokens(call.request.prompt, call.card)
        read += estimate_tokens(call.request.system_prompt or "", call.card)
        return cls(raw=streamed, usages=(Usage(read, estimate_tokens(streamed, call.card)),), error=error)


def mismatch(problem: OutputMismatch, stop_reason: str | None) -> InvalidInput:
    """The error of an answer that does not fit after its repair."""
    cut = " The answer was cut at max_tokens: raise it." if stop_reason == "max_tokens" else ""
    message = f"The model's answer does not fit, also after one repair: {problem.message}{cut}"
    return InvalidInput("OUTPUT_MISMATCH", message)


async def call_model(
    port: ModelPort, call: PreparedCall, step: LlmStep, on_delta: Callable[[str], None], turns: VendorTurns
) -> CallResult:
    """Make the call. Failures are results; only cancellation is raised.

    Waiting for a turn at the vendor is no part of the step's time.
    """
    usages: list[Usage] = []
    trace: list[JsonValue] = []
    reply: ModelReply | None = None
    await turns.take()
    try:
        async with asyncio.timeout(step.timeout_seconds + GRACE_SECONDS) as limit:
            reply = await port.complete(call.request, on_delta)
            usages.append(reply.usage)
            if not step.wants_json:
                return CallResult(reply.text, reply.text, tuple(usages), reply.stop_reason)
            try:
                parsed = parse_output(reply.text, step.output_schema)
            except OutputMismatch as problem:
                trace.append({"event": "repair", "problem": problem.message, "first_answer": reply.text})
                asked = repair_prompt(call.request.prompt, reply.text, problem.message)
                await wait_outside(limit, turns)
                again = replace(call.request, prompt=asked, idempotency_key=call.request.idempotency_key + ":repair")
                reply = await port.complete(again, None)
                usages.append(reply.usage)
                parsed = parse_output(reply.text, step.output_schema)
            return CallResult(reply.text, parsed, tuple(usages), reply.stop_reason, trace=trace)
    except OutputMismatch as problem:
        assert reply is not None
        stop = reply.stop_reason
        return CallResult(reply.text, None, tuple(usages), stop, mismatch(problem, stop), trace)
    except TimeoutError:
        late = ProviderError(
            "TIMEOUT",
            f"No answer within {step.timeout_seconds} s. Raise timeout_seconds or try again.",
            retryable=True,
        )
        return CallResult(usages=tuple(usages), error=late, trace=trace)
    except PersonalDataBlocked as refusal:  # in the repair: the first answer is paid for
        return CallResult(usages=tuple(usages), error=refusal, trace=trace)
    except ProviderError as failure:
        await turns.note(failure)
        billed = failure.context.get("usage") if failure.charged else None
        if isinstance(billed, Usage):
            usages.append(billed)
        return CallResult(usages=tuple(usages), error=failure, trace=trace)
