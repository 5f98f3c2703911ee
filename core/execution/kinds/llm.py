"""`llm`: one call of a model, or an agent that works in turns."""

from core.execution.attachments import images_of
from core.execution.calls import CallResult, call_model
from core.execution.departures import LedgerPort
from core.execution.kinds import agent
from core.execution.kinds.model_departures import departures_of
from core.execution.kinds.port import Cost, Live, Prepared, StepContext, StepResult
from core.execution.preparation import PreparedCall, prepare_call
from core.execution.vendor_turns import VendorTurns
from core.pipelines.definition import LlmStep
from core.pipelines.references import find_references
from core.platform.files.domain import FileView


def prepare(context: StepContext) -> Prepared:
    """Resolve the prompt and price the call. Raises InvalidInput, ProviderError."""
    written: LlmStep = context.step
    step = written if context.model is None else written.model_copy(update={"model": context.model})
    claim, runtime = context.claim, context.runtime
    call = prepare_call(
        runtime.catalogue,
        context.definition,
        step,
        {**context.scope, "env": agent.shown_secrets(step, context.secrets)},
        funding=claim.funding,
        rates=claim.rates,
        hash_=context.hash_,
        idempotency_key=context.cause,
        images=lambda card: images_of(context.runtime, card, _seen_files(context, step)),
    )
    screen = context.screen()
    leaving = departures_of(context, call, screen)
    if step.agent is not None:
        return agent.prepare(context, step, call, leaving, screen)
    own_key = context.own_key(call.card.provider) if call.own_key else None

    async def execute(live: Live) -> StepResult:
        port = runtime.providers.port_for(call.card, own_key, metered=call.metered)
        if leaving is not None:
            port = LedgerPort(port, leaving, screen, then="repair")
        turns = VendorTurns(runtime, call.card.provider, live.tell, own_key=call.own_key)
        return _result(context, call, await call_model(port, call, step, live.delta, turns))

    def cut(streamed: str) -> StepResult:
        return _result(context, call, CallResult.cut(runtime.catalogue, call, streamed))

    return Prepared(
        execute=execute,
        cut=cut,
        fingerprint=call.fingerprint,
        content={"prompt": call.request.prompt},
        model=call.card.id,
        provider=call.card.provider,
        held_micros=call.held_micros,
        leaving=leaving,
    )


def _seen_files(context: StepContext, step: LlmStep) -> list[FileView]:
    """The files that the prompts name."""
    texts = (step.prompt, step.system_prompt or "")
    named = {found.path[0] for text in texts for found in find_references(text) if found.root == "input" and found.path}
    return [file for name, file in context.files.items() if name in named]


def _result(context: StepContext, call: PreparedCall, result: CallResult) -> StepResult:
    cost = Cost.of(context.claim, context.runtime.catalogue, call.card, result.usages, call.held_micros)
    return StepResult(
        output=result.parsed,
        raw=result.raw,
        error=result.error,
        input_tokens=sum(usage.input_tokens for usage in result.usages),
        output_tokens=sum(usage.output_tokens for usage in result.usages),
        stop_reason=result.stop_reason,
        cost=cost,
        trace=result.trace,
    )
