"""OpenAI's Responses API through its SDK."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI
from openai.types.responses import Response

from core.providers import limits
from core.providers.adapters.failures import Progress, SdkErrors
from core.providers.adapters.port import (
    CONNECT_SECONDS,
    REASONING,
    SCHEMA,
    TEMPERATURE,
    SdkPort,
    failed,
    instructions,
    malformed,
    tokens,
    truncated,
)
from core.providers.adapters.tools import with_response_tools
from core.providers.domain import OPENAI, ModelCard, ModelReply, ModelRequest, OnDelta, StopReason, ToolCall, Usage
from core.providers.images import DETAIL, data_url

DEFAULT_BASE_URL = "https://api.openai.com/v1"
__all__ = ["OPENAI_ERRORS", "OpenAIPort", "make_client", "output_format"]
_INCOMPLETE: dict[str, StopReason] = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}


def make_client(key: str, base_url: str | None, pool: httpx2.AsyncClient) -> AsyncOpenAI:
    """A client on a shared pool that never retries: the engine does. An empty key sends no key."""
    client = AsyncOpenAI(api_key=key or "none", base_url=base_url or DEFAULT_BASE_URL, max_retries=0, http_client=pool)
    # The SDK takes these from the environment, where they belong to the platform's key and not to a person's.
    client.organization = None
    client.project = None
    return client


OPENAI_ERRORS = SdkErrors(
    openai.APIError,
    openai.APIStatusError,
    openai.APITimeoutError,
    openai.APIConnectionError,
    openai.APIResponseValidationError,
)


class OpenAIPort(SdkPort):
    """An OpenAI model behind the Responses API. Nothing is stored at the vendor (`store: false`)."""

    errors = OPENAI_ERRORS

    def __init__(self, card: ModelCard, key: str, refused: dict[str, frozenset[str]], client: AsyncOpenAI) -> None:
        super().__init__(card, key, refused)
        self._client = client

    def sends(self, request: ModelRequest, without: frozenset[str], streams: bool) -> frozenset[str]:
        """See `SdkPort`."""
        sent = set()
        if self.takes_temperature(request, without):
            sent.add(TEMPERATURE)
        if output_format(self.card, request, without) is not None:
            sent.add(SCHEMA)
        if request.tools and self._thinks(without):
            sent.add(REASONING)
        return frozenset(sent)

    def _thinks(self, without: frozenset[str]) -> bool:
        return REASONING not in without and not limits.takes_temperature(self.card.vendor_model)

    async def call(
        self, request: ModelRequest, on_delta: OnDelta | None, without: frozenset[str], progress: Progress
    ) -> ModelReply:
        """See `SdkPort`."""
        body = with_response_tools(self._body(request, without), request, thinks=self._thinks(without))
        call: Any = self._client.responses.create  # its overloads do not take a dict of arguments
        if on_delta is None:
            response = await call(**body)
            progress.began = True
            return self._reply(response, progress)
        final: Any = None
        async with await call(**body, stream=True) as stream:
            async for event in stream:
                progress.began = True
                if event.type in ("response.output_text.delta", "response.refusal.delta") and event.delta:
                    on_delta(event.delta)
                elif event.type in ("response.completed", "response.incomplete", "response.failed"):
                    final = event.response
                elif event.type == "error":
                    failed(str(event.code or ""), str(event.message or ""))
        if final is None:
            truncated()
        return self._reply(final, progress)

    def _body(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        form = output_format(self.card, request, without)
        system = instructions(request, spell_out=form is None or form["type"] != "json_schema")
        text = request.prompt
        body: dict[str, Any] = {
            "model": self.card.vendor_model,
            "store": False,
            "extra_headers": self.headers(request),
            "timeout": httpx2.Timeout(request.timeout_seconds, connect=CONNECT_SECONDS),
        }
        if (cap := self.output_cap(request)) is not None:
            body["max_output_tokens"] = cap
        if system and limits.takes_system_prompt(self.card.vendor_model):
            body["instructions"] = system
        elif system:
            text = f"{system}\n\n{text}"
        if self.takes_temperature(request, without):
            body["temperature"] = request.temperature
        if form is not None:
            body["text"] = {"format": form}
            if form["type"] == "json_object" and "json" not in text.lower():
                # The API wants the word in the input itself, not only in the instructions.
                text = f"{text}\n\n(Answer as JSON.)"
        body["input"] = _input(text, request)
        return body

    def _reply(self, response: Any, progress: Progress) -> ModelReply:
        if not isinstance(response, Response):
            malformed()
        if response.usage is not None:
            progress.usage = _usage(response.usage, response.service_tier)
        if response.status == "failed" or response.error is not None:
            failed(
                str(response.error.code) if response.error else "",
                response.error.message if response.error else "",
            )
        if response.status not in ("completed", "incomplete") or progress.usage is None:
            malformed()
        text, refused = [], False
        calls: list[ToolCall] = []
        for item in response.output:
            if item.type == "function_call":
                calls.append(ToolCall(item.call_id, item.name, item.arguments))
            if item.type != "message":
                continue
            for part in item.content:
                refused = refused or part.type == "refusal"
                text.append(part.refusal if part.type == "refusal" else part.text)
        stop: StopReason = "refusal" if refused else "tool_use" if calls else "end"
        if response.status == "incomplete":
            reason = response.incomplete_details.reason if response.incomplete_details else None
            stop = _INCOMPLETE.get(reason or "", "other")
        items = tuple(item.to_dict(mode="json") for item in response.output)
        said, model = "".join(text), str(response.model)
        return ModelReply(said, progress.usage, stop, model, self.card.provider, tuple(calls), items)


def _input(text: str, request: ModelRequest) -> str | list[dict[str, Any]]:
    if not request.images:
        return text
    parts: list[dict[str, Any]] = [
        {"type": "input_image", "image_url": data_url(image), "detail": DETAIL} for image in request.images
    ]
    return [{"role": "user", "content": [*parts, {"type": "input_text", "text": text}]}]


def output_format(card: ModelCard, request: ModelRequest, without: frozenset[str]) -> dict[str, Any] | None:
    """The form the vendor is asked to enforce: a schema, any JSON object, or nothing."""
    if SCHEMA in without or (request.tools and card.provider != OPENAI):  # several partners refuse both together
        return None
    if request.output_schema is not None and limits.takes_schema(card.vendor_model):
        schema = request.output_schema
        if schema.get("type") == "object":  # the vendor refuses any other root
            return {"type": "json_schema", "name": "output", "schema": schema, "strict": is_strict(schema)}
        return None
    asked = request.json_output and request.output_schema is None
    return {"type": "json_object"} if asked else None


def is_strict(schema: Any) -> bool:
    """Whether every object of a schema is closed and requires all it names, as strict mode demands."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties") or {})
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != names:
            return False
    return all(is_strict(part) for part in schema.values())


def _usage(reported: Any, service_tier: str | None) -> Usage:
    details = reported.input_tokens_details
    return Usage(
        tokens(reported.input_tokens),
        tokens(reported.output_tokens),
        tokens(getattr(details, "cached_tokens", None) or 0),
        tokens(getattr(details, "cache_write_tokens", None) or 0),
        batch=service_tier == "flex",  # billed as a batch ("Flex processing")
    )
