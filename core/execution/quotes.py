"""Quotes: what a run may cost, before it starts.

The maximum follows CONTRACT: (upper bound of the prompt + max_tokens) x attempts. A prompt that prints an
output which does not exist yet is bounded by the most its step can write.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from core.accounts.domain import Account
from core.credits.domain import Quote, micros_for
from core.execution.preparation import FRAME_TOKENS, card_of, max_tokens_of, most_micros
from core.pipelines.definition import Definition, LlmStep, TransformStep, with_agent_defaults
from core.pipelines.graph import dependencies, order
from core.platform.runtime import Runtime
from core.providers.catalogue import Catalogue
from core.providers.domain import ModelCard, Usage
from core.providers.tokens import estimate_tokens, upper_bound_tokens
from core.shared.errors import AppError
from core.shared.types import JsonValue

LIKELY_OUTPUT = 300  # tokens, where nothing better is known


def quote(
    runtime: Runtime,
    owner: Account,
    definition: Definition,
    input_data: Mapping[str, JsonValue],
    *,
    funding: Mapping[str, str],
    only: frozenset[str] | None = None,
) -> Quote:
    """The quote of a run and of each step. Raises ProviderError NO_PRICE for an unknown price on platform keys."""
    sizes: dict[str, int] = {}
    steps: dict[str, tuple[int, int, int]] = {}
    given = sum(_tokens_of(value) for value in input_data.values())
    given += sum(_tokens_of(value) for value in definition.variables.values())
    needs = dependencies(definition)
    for step_id in order(needs):
        step = cast(LlmStep | TransformStep, definition.step(step_id))
        upstream = sum(sizes.get(need, 0) for need in needs[step.id])
        if isinstance(step, TransformStep):
            sizes[step.id] = given + upstream + len((step.text_template or "").encode())
            steps[step.id] = (0, 0, 0)
            continue
        card = card_of(runtime.catalogue, with_agent_defaults(step, definition))
        full = with_agent_defaults(step, definition)
        sizes[step.id] = max_tokens_of(full, card)
        steps[step.id] = _step_quote(runtime.catalogue, full, card, owner, funding, given, upstream)
    counted = [steps[step_id] for step_id in steps if only is None or step_id in only]
    low, likely, most = (sum(column) for column in zip(*counted, strict=True)) if counted else (0, 0, 0)
    return Quote(low, likely, most, steps)


def _step_quote(
    catalogue: Catalogue,
    step: LlmStep,
    card: ModelCard,
    owner: Account,
    funding: Mapping[str, str],
    given: int,
    upstream: int,
) -> tuple[int, int, int]:
    if funding.get(card.provider) != "platform":
        return (0, 0, 0)
    text = step.prompt + (step.system_prompt or "")
    bound = upper_bound_tokens(text, card) + text.count("{{") * (given + upstream) + FRAME_TOKENS
    if step.output_schema is not None:
        bound += upper_bound_tokens(str(step.output_schema), card)
    if card.context_tokens is not None:
        # A loop may print the same value many times: only what the model can read bounds it.
        bound = card.context_tokens if "{{#each" in text.replace(" ", "") else min(bound, card.context_tokens)
    most = most_micros(catalogue, card, owner.plan, bound, max_tokens_of(step, card), repairs=step.wants_json)
    likely_in = estimate_tokens(text, card) + given // 3 + min(upstream, LIKELY_OUTPUT)
    low = _likely(catalogue, card, owner.plan, Usage(estimate_tokens(text, card), 1))
    likely = _likely(catalogue, card, owner.plan, Usage(likely_in, min(max_tokens_of(step, card), LIKELY_OUTPUT)))
    attempts = step.retry.max_attempts
    return (min(low, most), min(likely, most), most * attempts)


def _likely(catalogue: Catalogue, card: ModelCard, plan: str, usage: Usage) -> int:
    return micros_for(catalogue.cost_usd(card, usage) or Decimal(0), plan)


def _tokens_of(value: JsonValue) -> int:
    return len(value.encode()) if isinstance(value, str) else len(str(value))


def try_quote(
    runtime: Runtime,
    owner: Account,
    definition: Definition,
    input_data: Mapping[str, JsonValue],
    funding: Mapping[str, str],
    only: frozenset[str] | None = None,
) -> Quote:
    """A quote for showing: zero where none can be made (the run itself then says why)."""
    try:
        return quote(runtime, owner, definition, input_data, funding=funding, only=only)
    except AppError:
        return Quote(0, 0, 0)
