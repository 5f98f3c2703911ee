"""What a step would do: its resolved prompt, its fingerprint, and the most it can cost. Pure but for the catalogue."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.credits.prices import Rates
from core.execution.tools import RESULT_BYTES, specs
from core.pipelines.definition import Definition, LlmStep, TransformStep, with_agent_defaults
from core.pipelines.kinds.llm import Agent
from core.pipelines.templates import render, resolve_value
from core.providers.catalogue import Catalogue
from core.providers.domain import ImagePart, ModelCard, ModelRequest, no_key, no_price
from core.providers.tokens import MESSAGE_TOKENS, TOOL_TOKENS, estimate_tokens, request_upper_bound
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

PROMPT_LIMIT = 4_000_000
DEFAULT_MAX_TOKENS = 4096
FRAME_TOKENS = 64  # what vendors add around a prompt: roles and separators
REPAIR_TOKENS = 1000  # what a repair says beside the prompt and the answer

Hash = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A model call ready to be made. `held_micros` is the most it can cost."""

    request: ModelRequest
    card: ModelCard
    own_key: bool
    metered: bool
    fingerprint: bytes
    held_micros: int


def prepare_call(
    catalogue: Catalogue,
    definition: Definition,
    written: LlmStep,
    scope: dict[str, JsonValue],
    *,
    funding: Mapping[str, str],
    rates: Rates,
    hash_: Hash,
    idempotency_key: str = "",
    images: Callable[[ModelCard], tuple[ImagePart, ...]] = lambda _card: (),
) -> PreparedCall:
    """Resolve an `llm` step.

    Raises InvalidInput for a prompt that cannot be made or is too long, ProviderError without key or price.
    """
    step = with_agent_defaults(written, definition)
    card = rates.priced(card_of(catalogue, step))
    mode = funding.get(card.provider, "none")
    if mode == "none":
        raise no_key(card.provider, own=False)
    prompt = render(step.prompt, scope)
    system = render(step.system_prompt, scope) if step.system_prompt is not None else None
    size = len(prompt) + len(system or "")
    if size > PROMPT_LIMIT:
        raise _too_long(step.id, f"{size:,} characters; {PROMPT_LIMIT:,} are allowed")
    max_tokens = max_tokens_of(step, card)
    if card.context_tokens is not None:
        tokens = estimate_tokens(prompt, card) + estimate_tokens(system or "", card)
        if tokens > card.context_tokens:
            raise _too_long(step.id, f"about {tokens:,} tokens; {card.id} reads {card.context_tokens:,}")
    request = ModelRequest(
        model=card.id,
        prompt=prompt,
        system_prompt=system,
        temperature=step.temperature,
        max_tokens=max_tokens,
        output_schema=step.output_schema,
        json_output=step.wants_json,
        idempotency_key=idempotency_key,
        timeout_seconds=float(step.timeout_seconds),
        images=images(card),
        tools=specs(step.agent.tools) if step.agent is not None and card.tools else (),
    )
    held = 0
    if mode == "platform":
        bound = request_upper_bound(request, card) + FRAME_TOKENS
        held = most_micros(catalogue, card, rates, bound, max_tokens, repairs=step.wants_json, agent=step.agent)
    identity: list[JsonValue] = [
        "llm", card.id, prompt, system, step.temperature, step.max_tokens, step.output_format, step.output_schema,
    ]  # fmt: skip
    if request.images:
        identity.append([hashlib.sha256(image.data).hexdigest() for image in request.images])
    return PreparedCall(request, card, mode == "own_key", mode == "platform", fingerprint(hash_, identity), held)


def prepare_transform(step: TransformStep, scope: dict[str, JsonValue], hash_: Hash) -> bytes:
    """The fingerprint of a `transform` step over its resolved inputs."""
    template = step.text_template
    inputs = render(template, scope) if template is not None else resolve_value(step.source, scope)
    regex: JsonValue = [step.regex.pattern, step.regex.group] if step.regex else None
    return fingerprint(hash_, ["transform", inputs, step.extract, regex, step.output_format])


def fingerprint(hash_: Hash, identity: list[JsonValue]) -> bytes:
    """A keyed hash of what decides an output."""
    return hash_(json.dumps(identity, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())


def card_of(catalogue: Catalogue, step: LlmStep) -> ModelCard:
    """The card of a step's model. Raises InvalidInput when the catalogue no longer has it."""
    card = catalogue.find(step.model or catalogue.default_model())
    if card is None:
        raise InvalidInput(
            "UNKNOWN_MODEL", f"Step {step.id}: the model {step.model} is not offered here. Choose another."
        )
    return card


def max_tokens_of(step: LlmStep, card: ModelCard) -> int:
    """The most tokens the model may write: the step's own, else the model's limit."""
    return step.max_tokens or card.max_output_tokens or DEFAULT_MAX_TOKENS


def most_micros(
    catalogue: Catalogue,
    card: ModelCard,
    rates: Rates,
    input_tokens: int,
    output_tokens: int,
    *,
    repairs: bool,
    agent: Agent | None = None,
) -> int:
    """The most micro-credits a step can cost: its call, each turn of an agent, and the repair.

    Raises ProviderError NO_PRICE.
    """
    if agent is None:
        # The repair's prompt holds the first prompt, the problem and the first answer.
        calls = [input_tokens] + ([2 * input_tokens + output_tokens + REPAIR_TOKENS] if repairs else [])
    else:
        calls = turn_bounds(card, agent, input_tokens, output_tokens, repairs=repairs)
    return rates.micros(sum((worst_usd(catalogue, card, tokens, output_tokens) for tokens in calls), Decimal(0)))


def turn_bounds(card: ModelCard, agent: Agent, input_tokens: int, output_tokens: int, *, repairs: bool) -> list[int]:
    """The most that each turn of an agent can read: all it wrote before, and all its tools may have given at once.

    No turn reads more than the model can; a vendor refuses such a call, and bills nothing.
    """
    results = agent.max_tool_calls * (RESULT_BYTES + MESSAGE_TOKENS + TOOL_TOKENS) if agent.tools else 0
    turns = agent.max_turns if results else 1
    bounds = [input_tokens]
    for turn in range(1, turns + repairs):
        said = turn * (output_tokens + TOOL_TOKENS) + agent.max_tool_calls * TOOL_TOKENS
        bounds.append(input_tokens + said + results + (REPAIR_TOKENS if turn == turns else 0))
    return [tokens if card.context_tokens is None else min(tokens, card.context_tokens) for tokens in bounds]


def worst_usd(catalogue: Catalogue, card: ModelCard, input_tokens: int, output_tokens: int) -> Decimal:
    """The most US dollars a call can cost. Raises ProviderError NO_PRICE."""
    cost = catalogue.worst_cost_usd(card, input_tokens, output_tokens)
    if cost is None:
        raise no_price(card.id)
    return cost


def _too_long(step_id: str, said: str) -> InvalidInput:
    return InvalidInput(
        "PROMPT_TOO_LONG",
        f"The prompt of step {step_id} has {said}. Shorten the input, or split it over several steps.",
    )
