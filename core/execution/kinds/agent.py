"""Agents: an `llm` step whose model works in turns, and asks for tools in between.

Each turn is one call of the model. What it asks for is done, and the answers go back to it, until it answers without
asking. That answer is the step's output: its text, or its JSON with the one repair of any `llm` step (a further turn,
which `max_turns` does not count).

*Limits.* `max_turns`, `max_tool_calls`, `max_duration_seconds`; `timeout_seconds` only where it is written, because
its default is meant for one call. At a limit the step fails with AGENT_LIMIT, which names it; nothing is begun that
could not be finished (the tools of the last turn are not used, nor some of a turn's calls and not the others). The
trace and the last text are kept. A vendor's failure fails the attempt as for any step; an attempt begins anew.

*Cost.* Held is the most that all turns together can cost (`preparation.turn_bounds`), and the charge is the sum of
what the vendor reported. Before each turn the most it can cost is added to what was used: a turn that could pass what
is held is not begun. Cancelled in the middle of a turn, the step pays for its earlier turns, and for what the turn had
streamed.

*Secrets.* An agent that acts outside never sees one: where its prompts say `{{env.NAME}}` it reads just that, and
`tools.secrets` fills it in when a request is sent. What tools give is masked before the model reads it.

*Repeats.* Tools act when they are called, so after a crash the step begins anew and may act again. Its requests then
carry the same ids as before, `X-StepIQ-Delivery: <run>:<step>:<attempt>:<n>` for the n-th tool call. A stored
output never stands in for an agent.

*Trace.* A `turn` {n, status, ms, tokens}, a `tool_call` {n, turn, tool, arguments} and a `tool_result` {n, tool,
status, ms} each, stored with the step and told while it is under way.

The demo model has no tools: it answers in its first turn, from the prompt alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from core.execution import tools
from core.execution.calls import GRACE_SECONDS, mismatch
from core.execution.departures import Departure, Departures, LedgerPort, short_host
from core.execution.kinds.port import Cost, Live, Prepared, StepContext, StepResult
from core.execution.preparation import FRAME_TOKENS, REPAIR_TOKENS, PreparedCall, worst_usd
from core.execution.screening import Screen
from core.execution.vendor_turns import VendorTurns, wait_outside
from core.pipelines.definition import LlmStep
from core.pipelines.kinds.llm import OUTSIDE_TOOLS
from core.pipelines.outputs import OutputMismatch, parse_output
from core.providers.domain import TIMEOUT, ModelPort, ModelReply, ModelRequest, ToolCall, ToolResult, Turn, Usage
from core.providers.tokens import TOOL_TOKENS, estimate_tokens, request_upper_bound, upper_bound_tokens
from core.shared.errors import AppError, InvalidInput, ProviderError
from core.shared.masking import Masker
from core.shared.types import JsonValue

TOOL_SECONDS = 30.0
LEAST_ROOM = 256  # tokens an answer needs
SHOWN = 2_000  # characters of arguments and answers in the trace

Facts = dict[str, JsonValue]


class AgentLimit(InvalidInput):
    """An agent came to a limit before its answer."""

    def __init__(self, message: str) -> None:
        super().__init__("AGENT_LIMIT", message)


def shown_secrets(step: LlmStep, secrets: Mapping[str, str]) -> Facts:
    """What `{{env.NAME}}` prints in a prompt: the value, but for an agent that acts outside just `{{env.NAME}}`."""
    if step.agent is None or not step.agent.acts_outside:
        return dict(secrets)
    return {name: tools.placeholder(name) for name in step.prompt_secrets}


def prepare(
    context: StepContext, step: LlmStep, call: PreparedCall, leaving: Departures | None, screen: Screen | None
) -> Prepared:
    """The agent with its call resolved and priced. `leaving`: what it sends; `screen` looks at it.

    Raises InvalidInput NO_TOOLS.
    """
    assert step.agent is not None
    if step.agent.tools and not call.card.tools and call.card.api != "demo":
        raise InvalidInput("NO_TOOLS", f"{call.card.id} cannot use tools. Choose another model for {step.id}.")
    work = _Work(context, step, call, leaving, screen)
    return Prepared(
        execute=work.execute,
        cut=lambda _streamed: work.cut(),
        content={"prompt": call.request.prompt},
        model=call.card.id,
        provider=call.card.provider,
        held_micros=call.held_micros,
        leaving=leaving,
    )


class _Work:
    """An agent at work, and what it used so far, whatever becomes of it."""

    def __init__(
        self,
        context: StepContext,
        step: LlmStep,
        call: PreparedCall,
        leaving: Departures | None,
        screen: Screen | None,
    ) -> None:
        assert step.agent is not None
        self._leaving = leaving
        self._screen = screen
        self._context, self._step, self._call, self._agent = context, step, call, step.agent
        self._masker = Masker(context.secrets)
        named = {name: value for name, value in context.secrets.items() if name in step.prompt_secrets}
        self._fillable = tools.Fillable(named, has_hosts=bool(self._agent.network_allowlist))
        written = step.timeout_seconds if "timeout_seconds" in step.model_fields_set else None
        self._seconds = min(self._agent.max_duration_seconds, written or self._agent.max_duration_seconds)
        self._by_timeout = written is not None and written < self._agent.max_duration_seconds
        self._until = 0.0
        self._request = call.request
        self._live: Live | None = None
        self._allowance = VendorTurns(context.runtime, call.card.provider, self._tell, own_key=call.own_key)
        self._limit: asyncio.Timeout | None = None
        self._usages: list[Usage] = []
        self._trace: list[JsonValue] = []
        self._turns = self._calls = 0
        self._reply: ModelReply | None = None
        self._streamed: list[str] = []

    async def execute(self, live: Live) -> StepResult:
        """Work until the answer, a limit or a failure."""
        self._live, self._until = live, _now() + self._seconds
        context, call = self._context, self._call
        own_key = context.own_key(call.card.provider) if call.own_key else None
        try:
            port = context.runtime.providers.port_for(call.card, own_key, metered=call.metered)
            if self._leaving is not None:
                port = LedgerPort(port, self._leaving, self._screen, then="turn")
            async with asyncio.timeout(self._seconds + GRACE_SECONDS) as self._limit:
                return self._ended(output=await self._answer(port))
        except TimeoutError:
            self._count_cut_turn()
            return self._ended(error=self._too_late())
        except ProviderError as failure:
            await self._allowance.note(failure)
            billed = failure.context.get("usage") if failure.charged else None
            if isinstance(billed, Usage):
                self._usages.append(billed)
            late = failure.code == TIMEOUT and self._left() < GRACE_SECONDS / 2
            return self._ended(error=self._too_late() if late else failure)
        except InvalidInput as limit:
            return self._ended(error=limit)

    def cut(self) -> StepResult:
        """What it had used when the run was cancelled."""
        self._count_cut_turn()
        return self._ended(error=InvalidInput("CANCELLED", "The agent was stopped when the run was cancelled."))

    async def _answer(self, port: ModelPort) -> JsonValue:
        reads = request_upper_bound(self._request, self._call.card) + FRAME_TOKENS
        while True:
            reply = await self._turn(port, reads)
            if not reply.tool_calls:
                return await self._finish(port, reply)
            results = await self._use_tools(reply)
            reads = self._told(Turn(reply, results))

    async def _finish(self, port: ModelPort, reply: ModelReply) -> JsonValue:
        """The output that an answer means. Raises InvalidInput OUTPUT_MISMATCH after one repair."""
        if not self._step.wants_json:
            return reply.text
        schema = self._step.output_schema
        try:
            return parse_output(reply.text, schema)
        except OutputMismatch as problem:
            self._tell({"event": "repair", "problem": problem.message, "first_answer": reply.text})
            asked = f"Your answer could not be used. {problem.message} Reply only with the corrected JSON."
            reads = self._told(Turn(reply, message=asked))
        again = await self._turn(port, reads + REPAIR_TOKENS, aloud=False)
        try:
            return parse_output(again.text, schema)
        except OutputMismatch as problem:
            raise mismatch(problem, again.stop_reason) from None

    # -- turns --------------------------------------------------------------

    async def _turn(self, port: ModelPort, reads: int, *, aloud: bool = True) -> ModelReply:
        """One call of the model. `reads`: the most tokens it can read."""
        if self._limit is not None:
            self._until += await wait_outside(self._limit, self._allowance)
        request = self._bounded(reads)
        self._turns += 1
        began = _now()
        reply = await port.complete(request, self._delta if aloud else None)
        self._streamed = []
        self._reply = reply
        self._usages.append(reply.usage)
        tokens: Facts = {"input": reply.usage.input_tokens, "output": reply.usage.output_tokens}
        facts: Facts = {"event": "turn", "n": self._turns, "status": reply.stop_reason, "ms": _ms(began)}
        if reply.tool_calls and reply.text:
            facts["text"] = reply.text[:SHOWN]
        self._tell({**facts, "tokens": tokens})
        return reply

    def _bounded(self, reads: int) -> ModelRequest:
        """The request of the next turn, within time, context and what is held. Raises AgentLimit, ProviderError."""
        call, card = self._call, self._call.card
        seconds = self._left()
        if seconds <= 0:
            raise self._too_late()
        tokens, key = call.request.max_tokens or 0, call.request.idempotency_key
        if self._usages:
            before = self._usages[-1]
            read = before.input_tokens + before.output_tokens + estimate_tokens(_newest(self._request), card)
            room = tokens if card.context_tokens is None else card.context_tokens - int(read * 1.05)
            if room < LEAST_ROOM:
                raise AgentLimit(
                    f"The agent has read about {read:,} tokens, and {card.id} reads {card.context_tokens:,}. "
                    "Let its tools answer with less, or split the work over several steps."
                )
            tokens = min(tokens, room)
            # The same key only for the same conversation: after a crash it may take another course.
            key += f":{self._turns + 1}:{self._context.hash_(''.join(self._request.texts()).encode()).hex()[:16]}"
        if call.metered:
            self._check_held(min(reads, card.context_tokens or reads), tokens)
        return replace(self._request, max_tokens=tokens, idempotency_key=key, timeout_seconds=seconds)

    def _check_held(self, reads: int, writes: int) -> None:
        catalogue, card = self._context.runtime.catalogue, self._call.card
        used = sum((catalogue.cost_usd(card, usage) or Decimal(0) for usage in self._usages), Decimal(0))
        most = used + worst_usd(catalogue, card, reads, writes)
        if self._context.claim.rates.micros(most) > self._call.held_micros:
            raise AgentLimit(
                f"The next turn could cost more than the {self._call.held_micros / 1e6:g} credits held for the agent. "
                "Raise max_turns or max_tokens, or ask for less in this step."
            )

    def _told(self, turn: Turn) -> int:
        """Add to the conversation; gives the most tokens that the next turn can read."""
        self._request = replace(self._request, history=(*self._request.history, turn))
        card, usage = self._call.card, turn.reply.usage
        results = sum(upper_bound_tokens(result.text, card) + TOOL_TOKENS for result in turn.results)
        return usage.input_tokens + usage.output_tokens + results + TOOL_TOKENS * (1 + len(turn.results))

    def _delta(self, text: str) -> None:
        assert self._live is not None
        if not self._streamed and self._reply is not None and self._reply.text:
            self._live.delta("\n\n")
        self._streamed.append(text)
        self._live.delta(text)

    def _count_cut_turn(self) -> None:
        """A vendor bills the prompt and what it wrote of a call that was cut, which is estimated here."""
        written = "".join(self._streamed)
        if written:
            read = sum(estimate_tokens(text, self._call.card) for text in self._request.texts())
            self._usages.append(Usage(read, estimate_tokens(written, self._call.card)))

    # -- tools --------------------------------------------------------------

    async def _use_tools(self, reply: ModelReply) -> tuple[ToolResult, ...]:
        agent, asked = self._agent, len(reply.tool_calls)
        if self._turns >= agent.max_turns:
            raise AgentLimit(
                f"The agent came to max_turns ({agent.max_turns}) and still asks for tools. "
                "Raise it, or ask for less in this step."
            )
        if self._calls + asked > agent.max_tool_calls:
            raise AgentLimit(
                f"The agent asks for {asked} more after {self._calls} tool calls: max_tool_calls is "
                f"{agent.max_tool_calls}. Raise it, or ask for less in this step."
            )
        # One after another: what they do outside has an order, and so have their ids.
        return tuple([await self._use(call) for call in reply.tool_calls])

    async def _use(self, call: ToolCall) -> ToolResult:
        seconds = self._left()
        if seconds <= 0:
            raise self._too_late()
        self._calls += 1
        number, began = self._calls, _now()
        self._tell(
            {
                "event": "tool_call",
                "n": number,
                "turn": self._turns,
                "tool": call.name[:100],
                "arguments": _shown(call.arguments),
            }
        )
        left: list[Departure] = []
        context = tools.ToolContext(
            self._context.runtime.outbound,
            self._fillable,
            self._agent.network_allowlist,
            f"{self._context.cause}:{number}",
            min(TOOL_SECONDS, seconds),
            lambda host, sent: self._leave(call.name, host, sent, left),
        )
        facts: Facts = {"event": "tool_result", "n": number, "tool": call.name[:100]}
        failed = False
        try:
            answer = await tools.run(call.name, self._agent.tools, self._arguments(call), context)
            text, facts["status"] = answer.text, "ok"
            for departure in left:
                self._sends.answered(departure)
            if answer.status is not None:
                facts["http_status"] = answer.status
        except (tools.ToolError, AppError) as problem:
            text, failed = f"Error: {problem.message}", True
            facts |= {"status": "error", "code": getattr(problem, "code", "TOOL_ERROR")}
        if self._masker:
            text = await asyncio.to_thread(self._masker.mask_text, text)
        text = tools.fit(text)
        self._tell({**facts, "ms": _ms(began), "result": text[:SHOWN]})
        return ToolResult(call.id, text, failed)

    def _arguments(self, call: ToolCall) -> tools.Arguments:
        """What the model wrote. Values are put back for its placeholders where it can only use them as it may."""
        arguments = tools.read_arguments(call)
        if self._screen is None or not self._screen.masks:
            return arguments
        if call.name in OUTSIDE_TOOLS and not self._agent.network_allowlist:
            return arguments
        restored = self._screen.placeholders.restore_json(dict(arguments))
        assert isinstance(restored, dict)
        return restored

    async def _leave(self, tool: str, host: str, sent: str, left: list[Departure]) -> None:
        """Tell the ledger of a host that a tool is about to send something to: of each host of a redirect."""
        recipient = short_host(self._masker.mask_text(host))
        found = None if self._screen is None else await self._screen.categories(sent)
        also = Departure("", "tool", recipient, tool[:20], categories=found, size=len(sent.encode()))
        left.append(await self._sends.send_also(also))

    @property
    def _sends(self) -> Departures:
        assert self._leaving is not None  # the demo model asks for no tools
        return self._leaving

    # -- ends ---------------------------------------------------------------

    def _left(self) -> float:
        return self._until - _now()

    def _too_late(self) -> AppError:
        if self._by_timeout:
            message = f"The agent was not done within {self._seconds} s. Raise timeout_seconds or do less in this step."
            return ProviderError(TIMEOUT, message, retryable=True)
        return AgentLimit(
            f"The agent was not done within max_duration_seconds ({self._seconds} s). "
            "Raise it, or ask for less in this step."
        )

    def _tell(self, facts: Facts) -> None:
        self._trace.append(facts)
        if self._live is not None:
            self._live.tell(facts)

    def _ended(self, output: JsonValue = None, error: AppError | None = None) -> StepResult:
        call, reply = self._call, self._reply
        usages = tuple(self._usages)
        cost = Cost.of(self._context.claim, self._context.runtime.catalogue, call.card, usages, call.held_micros)
        return StepResult(
            output=output,
            raw="".join(self._streamed) or (reply.text if reply is not None else None),
            error=error,
            input_tokens=sum(usage.input_tokens for usage in usages),
            output_tokens=sum(usage.output_tokens for usage in usages),
            stop_reason=reply.stop_reason if reply is not None else None,
            cost=cost,
            trace=self._trace,
        )


def _newest(request: ModelRequest) -> str:
    """What was told last."""
    if not request.history:
        return ""
    turn = request.history[-1]
    return "".join((*(result.text for result in turn.results), turn.message))


def _shown(arguments: str) -> JsonValue:
    """Arguments for the trace: as JSON where they are short and readable."""
    if len(arguments) > SHOWN:
        return f"{arguments[:SHOWN]}…"
    try:
        value: JsonValue = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    return value


def _now() -> float:
    return asyncio.get_running_loop().time()


def _ms(began: float) -> int:
    return int((_now() - began) * 1000)
