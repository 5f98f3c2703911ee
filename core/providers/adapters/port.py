"""What the adapters share: the deadline, the repeat without a refused parameter, the mapping of failures."""

from __future__ import annotations

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from typing import Any, NoReturn

from core.providers import limits
from core.providers.adapters.failures import (
    Failure,
    Progress,
    SdkErrors,
    from_vendor_code,
    read_failure,
    to_error,
)
from core.providers.domain import (
    BAD_REQUEST,
    MALFORMED,
    TIMEOUT,
    TRUNCATED_STREAM,
    ModelCard,
    ModelReply,
    ModelRequest,
    OnDelta,
    cannot_see,
)
from core.providers.images import image_upper_bound
from core.providers.tokens import estimate_tokens

# Parameters a vendor may refuse for a model, and the words of its refusal that name them.
TEMPERATURE, SCHEMA, STREAM_USAGE, NEW_LIMIT_NAME = "temperature", "schema", "stream_usage", "new_limit_name"
REASONING = "reasoning"
_REFUSALS = {
    TEMPERATURE: ("temperature",),
    STREAM_USAGE: ("stream_options", "include_usage"),
    NEW_LIMIT_NAME: ("max_tokens", "max_completion_tokens"),
    REASONING: ("encrypted content", "encrypted_content"),
    SCHEMA: (
        "output_config",
        "output_format",
        "response_format",
        "text.format",
        "json_schema",
        "json_object",
        "schema",
    ),
}
# A refused schema may be this request's own fault; the others are the model's nature and worth remembering.
_REMEMBERED = frozenset({TEMPERATURE, STREAM_USAGE, NEW_LIMIT_NAME, REASONING})

JSON_ONLY = "Answer with one JSON value only: no prose, no code fence."
CONNECT_SECONDS = 10.0
MOST_TOKENS = 1_000_000_000
"""More than any call can use: a count above it is a mistake, or a lie of somebody's gateway."""

# At DEBUG the SDKs log whole request bodies, prompts included.
for _sdk in ("anthropic", "openai"):
    logging.getLogger(_sdk).setLevel(logging.WARNING)


class CallFailed(Exception):
    """A failure an adapter saw in an answer itself, on its way to becoming a `ProviderError`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class ListenerFailed(Exception):
    """`on_delta` raised: not the vendor's failure, so it is handed on as it was."""

    def __init__(self, error: Exception) -> None:
        super().__init__("on_delta")
        self.error = error


class SdkPort(ABC):
    """A model behind a vendor's SDK.

    A parameter the vendor refuses for this model is left out in one repeat of the call (a refused call costs
    nothing) and, where it is the model's nature, in all later calls of the process.
    """

    errors: SdkErrors

    def __init__(self, card: ModelCard, key: str, refused: dict[str, frozenset[str]]) -> None:
        self.card = card
        self._key = key
        self._refused = refused

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply:
        """Call the model; see `ModelPort`. Raises ProviderError CANNOT_SEE for images a model would not look at."""
        if request.images and not self.card.vision:
            raise cannot_see(self.card.id)
        model = f"{self.card.provider}/{self.card.vendor_model}"
        without = self._refused.get(model, frozenset())
        listener = _guarded(on_delta) if on_delta is not None else None
        progress = Progress()
        failure = Failure(TIMEOUT, True)
        listener_error: Exception | None = None
        try:
            async with asyncio.timeout(request.timeout_seconds):
                while True:
                    progress = Progress()
                    try:
                        return await self.call(request, listener, without, progress)
                    except Exception as error:
                        if isinstance(error, ListenerFailed):
                            listener_error = error.error
                            break
                        read = error.failure if isinstance(error, CallFailed) else None
                        read = read or read_failure(error, self.errors, progress)
                        if read is None:
                            raise
                        failure = read
                    dropped = self._refused_parameter(failure, request, without)
                    if dropped is None:
                        break
                    without |= {dropped}
                    if dropped in _REMEMBERED:
                        self._refused[model] = self._refused.get(model, frozenset()) | {dropped}
        except TimeoutError:
            failure = Failure(TIMEOUT, True)
        if listener_error is not None:
            raise listener_error
        # Raised out here so that no traceback leads to the SDK's exception, which holds the request body.
        raise to_error(failure, provider=self.card.provider, request=request, key=self._key, progress=progress)

    @abstractmethod
    async def call(
        self, request: ModelRequest, on_delta: OnDelta | None, without: frozenset[str], progress: Progress
    ) -> ModelReply:
        """One HTTP call, leaving out the parameters named in `without`."""

    @abstractmethod
    def sends(self, request: ModelRequest, without: frozenset[str], streams: bool) -> frozenset[str]:
        """Which of the parameters a vendor may refuse this request would carry."""

    def _refused_parameter(self, failure: Failure, request: ModelRequest, without: frozenset[str]) -> str | None:
        if failure.code != BAD_REQUEST or failure.status not in (400, 422):
            return None
        said = failure.vendor_message.lower()
        sent = self.sends(request, without, True)
        return next(
            (name for name, words in _REFUSALS.items() if name in sent and any(w in said for w in words)),
            None,
        )

    def takes_temperature(self, request: ModelRequest, without: frozenset[str]) -> bool:
        """Whether to send the temperature."""
        known = self.card.api == "chat" and self.card.provider != "openai"
        accepted = known or limits.takes_temperature(self.card.vendor_model)
        return request.temperature is not None and accepted and TEMPERATURE not in without

    def output_cap(self, request: ModelRequest) -> int | None:
        """The output tokens to ask for: the step's, else what the model and its context leave room for."""
        if request.max_tokens is not None:
            return request.max_tokens
        cap, context = self.card.max_output_tokens, self.card.context_tokens
        if cap is None or context is None:
            return cap
        prompt = "".join(request.texts())
        pictures = sum(image_upper_bound(image, self.card) for image in request.images)
        room = context - int(estimate_tokens(prompt, self.card) * 1.25) - pictures - 256
        return min(cap, max(256, room))

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """Headers of the call: its idempotency key, so that a vendor can tell a repeat."""
        return {"Idempotency-Key": request.idempotency_key} if request.idempotency_key else {}


def instructions(request: ModelRequest, *, spell_out: bool) -> str | None:
    """The system prompt, with the JSON asked for in words where the vendor does not enforce it."""
    parts = [request.system_prompt] if request.system_prompt else []
    if request.output_schema is not None and spell_out:
        schema = json.dumps(request.output_schema, ensure_ascii=False)
        parts.append(f"{JSON_ONLY} It must satisfy this JSON Schema:\n{schema}")
    elif request.json_output and request.output_schema is None:
        parts.append(JSON_ONLY)
    return "\n\n".join(parts) or None


def truncated() -> NoReturn:
    """End a call whose stream stopped without saying why: the SDKs raise nothing then."""
    raise CallFailed(Failure(TRUNCATED_STREAM, True))


def malformed() -> NoReturn:
    """End a call whose answer has the wrong shape."""
    raise CallFailed(Failure(MALFORMED, True))


def failed(kind: str, message: str) -> NoReturn:
    """End a call the vendor itself declared failed inside its answer."""
    raise CallFailed(from_vendor_code(kind, message))


def tokens(value: Any) -> int:
    """A token count of a vendor; raises TypeError for anything that is not one, or that nothing could have read."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        raise TypeError("not a token count")
    return value


def _guarded(on_delta: OnDelta) -> OnDelta:
    def listener(piece: str) -> None:
        try:
            on_delta(piece)
        except Exception as error:
            raise ListenerFailed(error) from error

    return listener
