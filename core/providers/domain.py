"""The model port and the values that cross it. Pure: no HTTP, no SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Protocol

from core.shared.errors import ProviderError

DEMO_MODEL = "demo"
DEMO_PROVIDER = "demo"
ANTHROPIC = "anthropic"
OPENAI = "openai"

StopReason = Literal["end", "max_tokens", "refusal", "stop_sequence", "tool_use", "other"]
ModelApi = Literal["messages", "responses", "chat", "demo"]
OnDelta = Callable[[str], None]

RATE_LIMITED = "RATE_LIMITED"
OVERLOADED = "OVERLOADED"
VENDOR_ERROR = "VENDOR_ERROR"
TIMEOUT = "TIMEOUT"
CONNECTION = "CONNECTION"
AUTHENTICATION = "AUTHENTICATION"
BAD_REQUEST = "BAD_REQUEST"
TRUNCATED_STREAM = "TRUNCATED_STREAM"
MALFORMED = "MALFORMED"
REFUSED = "REFUSED"
NO_KEY = "NO_KEY"
NO_PRICE = "NO_PRICE"
CANNOT_SEE = "CANNOT_SEE"
ADDRESS_REFUSED = "ADDRESS_REFUSED"


@dataclass(frozen=True, slots=True)
class PartnerConfig:
    """An OpenAI-compatible vendor the installation's operator added.

    `prices` maps a model to US dollars per million tokens: `{"input": 0.1, "output": 0.3}`, optionally
    `cached_input` and `cache_write`; or is such a mapping itself, for all models. An empty `api_key` is
    a vendor without keys (Ollama, vLLM). `terms_dated` is the ISO date on which the operator read its terms,
    `safeguard` what protects a transfer out of the EEA (GDPR Art. 46).
    """

    name: str
    base_url: str
    api_key: str = field(repr=False)
    models: tuple[str, ...]
    prices: Mapping[str, Any] = field(default_factory=dict)
    region: str = ""
    terms_url: str = ""
    terms_dated: str = ""
    safeguard: str = ""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """The installation's own keys and addresses. Keys never show in a repr."""

    anthropic_api_key: str | None = field(default=None, repr=False)
    anthropic_base_url: str | None = None
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str | None = None
    partners: tuple[PartnerConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture for a model that sees: PNG, JPEG, WebP or still GIF. Sizes in pixels, as tokens are counted by them."""

    media_type: str
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool a model may ask for. `parameters` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model asks for. `arguments` is the JSON it wrote, which may be malformed or cut."""

    id: str
    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call of this id."""

    call_id: str
    text: str = field(repr=False)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer of the model and what it was told then: the result of each tool it asked for, or a `message`."""

    reply: ModelReply
    results: tuple[ToolResult, ...] = ()
    message: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call of a model. `timeout_seconds` bounds the whole call, streaming included.

    `history` is the conversation since the prompt: all of it answers of this very model under this very request,
    because a vendor may seal its reasoning to what stood before.
    """

    model: str
    prompt: str = field(repr=False)
    system_prompt: str | None = field(default=None, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    output_schema: dict[str, Any] | None = None
    json_output: bool = False
    idempotency_key: str = ""
    timeout_seconds: float = 60.0
    images: tuple[ImagePart, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    history: tuple[Turn, ...] = field(default=(), repr=False)

    def texts(self) -> Iterator[str]:
        """The texts it carries: prompts, and what was said since."""
        if self.system_prompt:
            yield self.system_prompt
        yield self.prompt
        for turn in self.history:
            yield turn.reply.text
            yield from (call.arguments for call in turn.reply.tool_calls)
            yield from (result.text for result in turn.results)
            yield turn.message


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the vendor's server reported them.

    `input_tokens` is the whole prompt; the cached and cache-written tokens are parts of it. `batch`: the vendor says
    that it worked the call off as one of a batch, at the price of those.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    batch: bool = False


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole answer. `model` is the name the vendor reported, which may carry a date.

    `items` is the answer in the vendor's own form, reasoning included, to be repeated as it was.
    """

    text: str = field(repr=False)
    usage: Usage
    stop_reason: StopReason
    model: str
    provider: str
    tool_calls: tuple[ToolCall, ...] = ()
    items: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


class ModelPort(Protocol):
    """A model of one vendor under one key.

    Streams when `on_delta` is given. Raises `ProviderError`; where the vendor had already counted tokens
    its context holds `usage` and `charged` is true. Cancelling the task closes the HTTP response.
    """

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply: ...


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Prices of a whole call whose prompt is longer than `above_input_tokens`."""

    above_input_tokens: int
    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal
    cache_write_usd_per_mtok: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, where they come from and the date they are known to hold for."""

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_input_usd_per_mtok: Decimal
    cache_write_usd_per_mtok: Decimal
    source: str
    as_of: str
    tiers: tuple[PriceTier, ...] = ()

    def at(self, input_tokens: int) -> PriceTier:
        """The prices that hold for a prompt of this length."""
        reached = [tier for tier in self.tiers if input_tokens > tier.above_input_tokens]
        if reached:
            return max(reached, key=lambda tier: tier.above_input_tokens)
        return PriceTier(
            0,
            self.input_usd_per_mtok,
            self.output_usd_per_mtok,
            self.cached_input_usd_per_mtok,
            self.cache_write_usd_per_mtok,
        )


@dataclass(frozen=True, slots=True)
class DataTerms:
    """What a vendor does with inputs, in words for people.

    `checked_at` is the ISO date on which the terms were read, empty where nobody says. `in_eea`: whether it processes
    in the European Economic Area, None where its region does not tell; `safeguard` is what protects a transfer out of
    it (GDPR Art. 46), empty where there is none to be named.
    """

    training: str
    retention: str
    url: str
    checked_at: str
    safeguard: str = ""
    in_eea: bool | None = None

    @property
    def needs_safeguard(self) -> bool:
        """Whether data may leave the EEA without a safeguard being named."""
        return self.in_eea is not True and not self.safeguard

    def age(self, today: date) -> int | None:
        """Days since the terms were read; None where nobody says when."""
        return (today - date.fromisoformat(self.checked_at)).days if self.checked_at else None


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """A provider as people are told of it before its first use: where it processes, and its terms."""

    provider: str
    region: str
    terms: DataTerms


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model people can name in a pipeline.

    `max_output_tokens` is also what is asked of the vendor when a step sets no `max_tokens`, so that a
    quoted maximum is a true one. `vendor_model` is the name sent to the vendor. `vision`: it looks at images.
    `tools`: it can ask for tools; the demo model cannot, and answers at once where an agent would use them.
    `priced_as` is provider and model as price books name them: a dated id has the price of the model it is one of.
    """

    id: str
    provider: str
    context_tokens: int | None
    max_output_tokens: int | None
    price: Price | None
    json: bool
    region: str
    data_terms: DataTerms
    free: bool = False
    label: str = ""
    api: ModelApi = "chat"
    vendor_model: str = ""
    vision: bool = False
    tools: bool = True
    priced_as: str = ""


def no_key(provider: str, *, own: bool) -> ProviderError:
    """The error of a call without a key; names who has to add one."""
    whose = "Add your own key in your account" if own else "Ask the operator to set a platform key"
    return ProviderError(NO_KEY, f"There is no key for {provider}. {whose}.", retryable=False)


def no_price(model: str) -> ProviderError:
    """The error of a platform-key call whose price is unknown: it is refused, never free."""
    return ProviderError(
        NO_PRICE,
        f"The price of {model} is unknown, so it cannot run on platform keys. Use your own key or another model.",
        retryable=False,
    )


def cannot_see(model: str) -> ProviderError:
    """The error of images for a model that looks at none."""
    return ProviderError(CANNOT_SEE, f"{model} cannot see images. Choose a model that can.", retryable=False)
