"""Quotes: what a run may cost, before it starts.

The maximum is (upper bound of the prompt + max_tokens) x attempts x loops x items. A prompt that
prints an output which does not exist yet is bounded by the most its step can write. What is likely
comes from what the steps of this pipeline used lately, where they ran before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.accounts.domain import Account
from core.credits.domain import Quote
from core.credits.prices import Rates
from core.execution.kinds.map import items_of
from core.execution.kinds.pipeline import name_of
from core.execution.preparation import FRAME_TOKENS, card_of, max_tokens_of, most_micros
from core.execution.tools import specs
from core.execution.usual import Usual
from core.pipelines.definition import Definition, LlmStep, Step, with_agent_defaults
from core.pipelines.graph import list_dependencies, order, steps_read
from core.pipelines.kinds.map import MAX_ITEMS, MapStep
from core.pipelines.kinds.pipeline import PipelineStep
from core.pipelines.kinds.transform import TransformStep
from core.platform.files.domain import FileView
from core.platform.runtime import Runtime
from core.providers.catalogue import Catalogue
from core.providers.domain import ImagePart, ModelCard, Usage
from core.providers.images import image_upper_bound
from core.providers.tokens import estimate_tokens, tools_upper_bound, upper_bound_tokens
from core.shared.errors import AppError
from core.shared.types import JsonValue

Three = tuple[int, int, int]

LIKELY_OUTPUT = 300  # tokens, where nothing better is known
LIKELY_ITEMS = 10
LIKELY_TURNS = 3
LARGEST_OUTPUT = 4_000_000  # characters, of steps that do not say how much they write
ZERO: Three = (0, 0, 0)


def quote(
    runtime: Runtime,
    owner: Account,
    definition: Definition,
    input_data: Mapping[str, JsonValue],
    *,
    funding: Mapping[str, str],
    files: Mapping[str, FileView] | None = None,
    called: Mapping[str, Definition] | None = None,
    only: frozenset[str] | None = None,
    rates: Rates | None = None,
    usual: Mapping[str, Usual] | None = None,
) -> Quote:
    """The quote of a run and of each step; `input_data` with the texts of its `files`.

    `rates` are the prices of now where none are given; `usual` is what its steps used lately.

    Raises ProviderError NO_PRICE for an unknown price on platform keys.
    """
    given = sum(_size_of(value) for value in (*input_data.values(), *definition.variables.values()))
    rates = rates or runtime.prices.current(runtime).rates(owner.plan)
    estimate = _Estimate(
        runtime.catalogue, rates, funding, called or {}, definition, dict(input_data), files or {}, given, usual or {}
    )
    steps = estimate.of_list(definition.steps, {}, repeats=1)
    counted = [steps[step.id] for step in definition.steps if only is None or step.id in only]
    low, likely, most = (sum(column) for column in zip(ZERO, *counted, strict=True))
    if definition.budget is not None:
        most = min(most, int(definition.budget.max_credits * 1_000_000))
        low, likely = min(low, most), min(likely, most)
    return Quote(low, likely, most, steps)


@dataclass(frozen=True, slots=True)
class _Estimate:
    """What is known before a run of one definition. `given`: how much all its inputs and variables print."""

    catalogue: Catalogue
    rates: Rates
    funding: Mapping[str, str]
    called: Mapping[str, Definition]
    definition: Definition
    input_data: dict[str, JsonValue]
    files: Mapping[str, FileView]
    given: int
    usual: Mapping[str, Usual]

    def of_list(self, steps: tuple[Step, ...], outer: dict[str, int], *, repeats: int) -> dict[str, Three]:
        """Each step's quote, those inside it included, when the whole list runs `repeats` times at most."""
        sizes = dict(outer)
        waits = list_dependencies(steps, self.definition.step_ids)
        loops = _loops(steps)
        known = {step.id: step for step in steps}
        quotes: dict[str, Three] = {}
        for step_id in order(waits):
            step = known[step_id]
            times = repeats * loops.get(step_id, 1)
            quotes |= self._of_step(step, sizes, times)
        return quotes

    def _of_step(self, step: Step, sizes: dict[str, int], repeats: int) -> dict[str, Three]:
        read = self._read(step, sizes)
        upstream = sum(sizes.get(name, 0) for name in read)
        tries = step.retry.max_attempts
        if isinstance(step, LlmStep):
            before = sum(self._likely_tokens(name, sizes) for name in read)
            sizes[step.id], cost = self._of_call(step, upstream, before)
            return {step.id: (cost[0], cost[1], cost[2] * repeats)}
        if isinstance(step, PipelineStep):
            sizes[step.id] = LARGEST_OUTPUT
            inner = _Estimate(
                self.catalogue, self.rates, self.funding, self.called, self.called[name_of(step)], {}, {},
                self.given + upstream, {},
            ) if name_of(step) in self.called else None  # fmt: skip
            parts = inner.of_list(inner.definition.steps, {}, repeats=repeats * tries) if inner else {}
            outermost = {each.id for each in inner.definition.steps} if inner else set()
            return {step.id: _total(cost for name, cost in parts.items() if name in outermost)}
        if step.inner:
            likely, most = self._items(step, upstream)
            parts = self.of_list(step.inner, sizes, repeats=repeats * tries * most)
            low, usual, largest = _total(parts[each.id] for each in step.inner)
            sizes[step.id] = LARGEST_OUTPUT
            sizes.update({each.id: LARGEST_OUTPUT for each in step.inner})
            return {**parts, step.id: (low * likely, usual * likely, largest)}
        text = len((step.text_template or "").encode()) if isinstance(step, TransformStep) else 0
        sizes[step.id] = self.given + upstream + text if isinstance(step, TransformStep) else LARGEST_OUTPUT
        return {step.id: ZERO}

    def _read(self, step: Step, sizes: dict[str, int]) -> frozenset[str]:
        names: frozenset[str] = frozenset()
        for written in step.written():
            names |= steps_read(written, self.definition.step_ids, tuple(sizes))
        return names

    def _likely_tokens(self, name: str, sizes: Mapping[str, int]) -> int:
        """How many tokens the output of a step before is likely to print."""
        known = self.usual.get(name)
        return min(sizes.get(name, 0), LIKELY_OUTPUT if known is None else known.output_tokens)

    def _items(self, step: Step, upstream: int) -> tuple[int, int]:
        """How many times the steps inside run: likely, and at most."""
        if not isinstance(step, MapStep):
            return 1, 1
        scope: dict[str, JsonValue] = {"input": self.input_data, "vars": dict(self.definition.variables), "steps": {}}
        try:
            count = len(items_of(step, scope))
            return count, count
        except AppError:
            # Two characters are the shortest item of a list: a digit and a comma.
            return LIKELY_ITEMS, max(1, min(MAX_ITEMS, (upstream or LARGEST_OUTPUT) // 2))

    def _of_call(self, step: LlmStep, upstream: int, likely_upstream: int) -> tuple[int, Three]:
        """The most tokens a call writes, and its quote over all its attempts and fallbacks."""
        full = with_agent_defaults(step, self.definition)
        models = [full, *(full.model_copy(update={"model": model}) for model in step.fallback)]
        cards = [self.rates.priced(card_of(self.catalogue, each)) for each in models]
        size = max(max_tokens_of(each, card) for each, card in zip(models, cards, strict=True))
        pictures = [file for file in self.files.values() if file.kind == "image"]
        each_cost = [
            self._call_quote(one, card, upstream, likely_upstream, sum(_image_bound(file, card) for file in pictures))
            for one, card in zip(models, cards, strict=True)
        ]
        low, likely, _ = each_cost[0]
        most = sum(cost[2] for cost in each_cost) * step.retry.max_attempts
        return size, (low, min(likely, most), most)

    def _call_quote(self, step: LlmStep, card: ModelCard, upstream: int, likely_upstream: int, images: int) -> Three:
        if self.funding.get(card.provider) != "platform":
            return ZERO
        text = step.prompt + (step.system_prompt or "")
        bound = upper_bound_tokens(text, card) + text.count("{{") * (self.given + upstream) + FRAME_TOKENS + images
        if step.output_schema is not None:
            bound += upper_bound_tokens(str(step.output_schema), card)
        agent = step.agent if card.tools else None
        if agent is not None:
            bound += tools_upper_bound(specs(agent.tools))
        if card.context_tokens is not None:
            # A loop may print the same value many times: only what the model can read bounds it.
            bound = card.context_tokens if "{{#each" in text.replace(" ", "") else min(bound, card.context_tokens)
        output = max_tokens_of(step, card)
        most = most_micros(self.catalogue, card, self.rates, bound, output, repairs=step.wants_json, agent=agent)
        written = estimate_tokens(text, card)
        usual = self.usual.get(step.id)
        low = self._cost(card, Usage(written, 1))
        if usual is not None and agent is not None:  # all its turns together
            likely = self._cost(card, Usage(usual.input_tokens, usual.output_tokens))
        else:
            turns = min(agent.max_turns, LIKELY_TURNS) if agent is not None and agent.tools else 1
            says = LIKELY_OUTPUT if usual is None else usual.output_tokens
            likely = turns * self._cost(card, Usage(written + self.given // 3 + likely_upstream, min(output, says)))
        return min(low, most), min(max(low, likely), most), most

    def _cost(self, card: ModelCard, usage: Usage) -> int:
        return self.rates.micros(self.catalogue.cost_usd(card, usage) or Decimal(0))


def _loops(steps: tuple[Step, ...]) -> dict[str, int]:
    """How many times each step may run because of jumps backwards."""
    place = {step.id: index for index, step in enumerate(steps)}
    times: dict[str, int] = {}
    for index, step in enumerate(steps):
        for jump in step.jumps():
            start = place.get(jump.target, index + 1)
            for repeated in steps[start : index + 1]:
                times[repeated.id] = times.get(repeated.id, 1) * (1 + (jump.max_loops or 0))
    return times


def _total(costs: Iterable[Three]) -> Three:
    low, likely, most = (sum(column) for column in zip(ZERO, *costs, strict=True))
    return low, likely, most


def _image_bound(file: FileView, card: ModelCard) -> int:
    width, height = (int(str(file.facts.get(name) or 0)) for name in ("width", "height"))
    return image_upper_bound(ImagePart(file.media_type, b"", width, height), card)


def _size_of(value: JsonValue) -> int:
    return len(value.encode()) if isinstance(value, str) else len(str(value))


def try_quote(
    runtime: Runtime,
    owner: Account,
    definition: Definition,
    input_data: Mapping[str, JsonValue],
    funding: Mapping[str, str],
    files: Mapping[str, FileView] | None = None,
    called: Mapping[str, Definition] | None = None,
    only: frozenset[str] | None = None,
    usual: Mapping[str, Usual] | None = None,
) -> Quote:
    """A quote for showing: zero where none can be made (the run itself then says why)."""
    try:
        return quote(
            runtime, owner, definition, input_data, funding=funding, files=files, called=called, only=only, usual=usual
        )
    except AppError:
        return Quote(0, 0, 0)
