"""What a kind of step is given, and what it answers: whether it is done, calls out, asks a person, or holds steps."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from core.accounts.domain import OwnKey
from core.credits.domain import Metered
from core.execution.changes import Claim
from core.execution.departures import Departures
from core.execution.screening import Screen
from core.pipelines.definition import Definition, Step
from core.platform.files.domain import FileView
from core.platform.runtime import Runtime
from core.providers.catalogue import Catalogue
from core.providers.domain import ModelCard, Usage
from core.shared.errors import AppError
from core.shared.personal_data import Placeholders
from core.shared.types import JsonValue

Hash = Callable[[bytes], bytes]
Scope = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs: micro-credits to charge, its price after markup in millionths of a US cent, and what for."""

    micros: int = 0
    micro_cents: int = 0
    price_version: str | None = None
    metered: Metered | None = None

    @classmethod
    def of(cls, claim: Claim, catalogue: Catalogue, card: ModelCard, usages: tuple[Usage, ...], held: int) -> "Cost":
        """The cost of what a vendor reported. Micro-credits never pass what was held; own keys hold nothing."""
        rates = claim.rates
        usd = sum((catalogue.cost_usd(card, usage) or Decimal(0) for usage in usages), Decimal(0))
        cents = int((rates.cents(usd) * 1_000_000).to_integral_value(rounding=ROUND_CEILING))
        metered = Metered(
            claim.pipeline_id,
            rates.plan,
            card.priced_as,
            sum(usage.input_tokens for usage in usages),
            sum(usage.cached_input_tokens for usage in usages),
            sum(usage.cache_write_tokens for usage in usages),
            sum(usage.output_tokens for usage in usages),
        )
        return cls(min(rates.micros(usd), held), cents, rates.version, metered)


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step ended: its output, or the error."""

    output: JsonValue = None
    raw: str | None = None
    error: AppError | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    stop_reason: str | None = None
    cost: Cost = Cost()
    trace: list[JsonValue] = field(default_factory=list)
    notes: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Live:
    """What a call tells while it is under way: text as it streams in, and events of its trace."""

    delta: Callable[[str], None]
    tell: Callable[[dict[str, JsonValue]], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked, until when, and what their silence means."""

    facts: dict[str, JsonValue]
    time: timedelta
    on_timeout: str


@dataclass(frozen=True, slots=True)
class Item:
    """One list of steps inside a step: what it sees, and the definition it belongs to."""

    definition: Definition
    steps: tuple[Step, ...]
    base: Scope
    files: Mapping[str, FileView]


@dataclass(frozen=True, slots=True)
class Nested:
    """Steps inside a step: `count` lists of them, `concurrency` at a time, each made when its turn comes.

    `collect` makes the output of the outputs of all lists. `batch`: items so light that many make one journal row;
    it works out the items from one number up to another, each an output or what went wrong. `limit` bounds
    the seconds of all of it, beside the step's own.
    """

    count: int
    concurrency: int
    item: Callable[[int], Item]
    result: Callable[[Item, Mapping[str, JsonValue]], JsonValue]
    collect: Callable[[list[JsonValue]], JsonValue]
    together: bool = False
    many: bool = False
    batch: Callable[[int, int], list[tuple[JsonValue, str | None]]] | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a step would do. Exactly one of `result`, `execute`, `question` and `nested` is set.

    `fingerprint` None: a stored output never stands in. `content` is stored when the step begins. `held_micros` is
    the most it can cost. `cut` says what a call that was stopped had used. `quiet`: it does no I/O, so its beginning
    is not journalled. `limit` bounds its seconds from outside, None where it bounds itself.
    """

    result: StepResult | None = None
    execute: Callable[[Live], Awaitable[StepResult]] | None = None
    question: Question | None = None
    nested: Nested | None = None
    fingerprint: bytes | None = None
    content: dict[str, JsonValue] = field(default_factory=dict)
    model: str | None = None
    provider: str | None = None
    held_micros: int = 0
    cut: Callable[[str], StepResult] | None = None
    quiet: bool = False
    limit: float | None = None
    leaving: Departures | None = None


@dataclass(frozen=True, slots=True)
class StepContext:
    """A step that is about to begin. `step` is as written; `model` is set where another one stands in.

    `cause` names this attempt, `delivery_id` the act over all its attempts. `files` are the inputs that are files.
    `before` is the newest output of the
    steps written before, which a reviewer is shown.
    """

    runtime: Runtime
    claim: Claim
    definition: Definition
    step: Any
    scope: Scope
    hash_: Hash
    cause: str
    delivery_id: str
    own_keys: Mapping[str, OwnKey]
    secrets: Mapping[str, str]
    files: Mapping[str, FileView]
    model: str | None = None
    before: JsonValue = None
    placeholders: Placeholders = field(default_factory=Placeholders)

    def screen(self) -> Screen | None:
        """What looks for personal data in what the step sends; None where nobody is to."""
        mode = self.claim.personal_data
        return None if mode == "off" else Screen(mode, self.placeholders)

    def own_key(self, provider: str) -> OwnKey:
        """The person's key; an empty one where it is missing, which no call is made with."""
        return self.own_keys.get(provider, OwnKey(""))
