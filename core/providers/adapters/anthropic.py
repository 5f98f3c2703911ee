"""Anthropic's Messages API through its SDK."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anthropic
import httpx2
from anthropic import AsyncAnthropic, transform_schema

from core.providers import limits
from core.providers.adapters.failures import Progress, SdkErrors
from core.providers.adapters.port import (
    CONNECT_SECONDS,
    SCHEMA,
    TEMPERATURE,
    SdkPort,
    instructions,
    malformed,
    tokens,
    truncated,
)
from core.providers.adapters.tools import Blocks, with_message_tools
from core.providers.domain import ModelCard, ModelReply, ModelRequest, OnDelta, StopReason, Usage
from core.providers.images import encoded

DEFAULT_BASE_URL = "https://api.anthropic.com"
HIGHEST_TEMPERATURE = 1.0
__all__ = ["AnthropicPort", "make_client"]
_STOPS: dict[str, StopReason] = {
    "end_turn": "end",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "tool_use": "tool_use",
}


def make_client(key: str, base_url: str | None, pool: httpx2.AsyncClient) -> AsyncAnthropic:
    """A client on a shared pool. It never retries (the engine does), nor traces what it sends."""
    return AsyncAnthropic(
        api_key=key,
        base_url=base_url or DEFAULT_BASE_URL,
        max_retries=0,
        http_client=pool,
        open_telemetry=False,
    )


class AnthropicPort(SdkPort):
    """A Claude model."""

    errors = SdkErrors(
        anthropic.APIError,
        anthropic.APIStatusError,
        anthropic.APITimeoutError,
        anthropic.APIConnectionError,
        anthropic.APIResponseValidationError,
    )

    def __init__(self, card: ModelCard, key: str, refused: dict[str, frozenset[str]], client: AsyncAnthropic) -> None:
        super().__init__(card, key, refused)
        self._client = client

    def sends(self, request: ModelRequest, without: frozenset[str], streams: bool) -> frozenset[str]:
        """See `SdkPort`."""
        sent = set()
        if self.takes_temperature(request, without):
            sent.add(TEMPERATURE)
        if self._native_schema(request, without) is not None:
            sent.add(SCHEMA)
        return frozenset(sent)

    async def call(
        self, request: ModelRequest, on_delta: OnDelta | None, without: frozenset[str], progress: Progress
    ) -> ModelReply:
        """See `SdkPort`."""
        body = with_message_tools(self._body(request, without), request)
        call: Any = self._client.messages.create  # its overloads do not take a dict of arguments
        if on_delta is None:
            message = await call(**body)
            progress.began = True
            return self._reply(message, progress)
        async with await call(**body, stream=True) as stream:
            return await self._read(stream, on_delta, progress)

    def _body(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        schema = self._native_schema(request, without)
        body: dict[str, Any] = {
            "model": self.card.vendor_model,
            "max_tokens": self.output_cap(request) or limits.PARTNER_OUTPUT_TOKENS,
            "messages": [{"role": "user", "content": _content(request)}],
            "extra_headers": self.headers(request),
            "timeout": httpx2.Timeout(request.timeout_seconds, connect=CONNECT_SECONDS),
        }
        if system := instructions(request, spell_out=schema is None):
            body["system"] = system
        if self.takes_temperature(request, without):
            # The SDK has no such argument any more, but the older models that take it still do.
            body["extra_body"] = {"temperature": min(HIGHEST_TEMPERATURE, request.temperature or 0.0)}
        if schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return body

    def _native_schema(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any] | None:
        if request.output_schema is None or SCHEMA in without or not limits.takes_schema(self.card.vendor_model):
            return None
        try:
            return transform_schema(request.output_schema)
        except (ValueError, TypeError, AttributeError, AssertionError):
            return None  # a schema the vendor's subset cannot say is put into words instead

    async def _read(self, stream: Any, on_delta: OnDelta, progress: Progress) -> ModelReply:
        blocks = Blocks()
        stop, ended, model = None, False, self.card.vendor_model
        async for event in stream:
            progress.began = True
            if event.type == "message_start":
                progress.usage = _usage(event.message.usage)
                model = event.message.model
            elif event.type == "content_block_start":
                blocks.start(event.index, event.content_block.to_dict(mode="json"))
            elif event.type == "content_block_delta":
                blocks.feed(event.index, event.delta)
                if event.delta.type == "text_delta" and event.delta.text:
                    on_delta(event.delta.text)
            elif event.type == "message_delta":
                stop = event.delta.stop_reason or stop
                progress.usage = _merged(progress.usage, event.usage)
            elif event.type == "message_stop":
                ended = True
        if not ended or stop is None:
            truncated()
        if progress.usage is None:
            malformed()
        return self._made(blocks, progress.usage, stop, model)

    def _reply(self, message: Any, progress: Progress) -> ModelReply:
        progress.usage = _usage(message.usage)
        blocks = Blocks()
        for index, block in enumerate(message.content):
            blocks.start(index, block.to_dict(mode="json"))
        if message.stop_reason is None:
            malformed()
        return self._made(blocks, progress.usage, message.stop_reason, message.model)

    def _made(self, blocks: Blocks, usage: Usage, stop: str, model: str) -> ModelReply:
        reason = _STOPS.get(stop, "other")
        name, items = model or self.card.id, blocks.items()
        return ModelReply(blocks.text(), usage, reason, name, self.card.provider, blocks.calls(), items)


def _content(request: ModelRequest) -> str | list[dict[str, Any]]:
    if not request.images:
        return request.prompt
    # Images before the text, as the vendor advises ("Images and vision").
    blocks: list[dict[str, Any]] = [
        {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": encoded(image)}}
        for image in request.images
    ]
    return [*blocks, {"type": "text", "text": request.prompt}]


def _usage(reported: Any) -> Usage:
    """Anthropic counts cached tokens beside the input; we count them into it."""
    cached, written = (
        tokens(reported.cache_read_input_tokens or 0),
        tokens(reported.cache_creation_input_tokens or 0),
    )
    batch = getattr(reported, "service_tier", None) == "batch"
    read = tokens(reported.input_tokens) + cached + written
    return Usage(read, tokens(reported.output_tokens), cached, written, batch)


def _merged(before: Usage | None, reported: Any) -> Usage:
    """The counts of a `message_delta` are cumulative; the input's may be missing."""
    output = tokens(reported.output_tokens)
    counted = reported.cache_read_input_tokens is not None and reported.cache_creation_input_tokens is not None
    if reported.input_tokens is not None and (counted or before is None):
        return replace(_usage(reported), batch=before is not None and before.batch)
    if before is None:
        raise TypeError("no input tokens were reported")
    if reported.input_tokens is not None:
        cached, written = before.cached_input_tokens, before.cache_write_tokens
        return replace(before, input_tokens=tokens(reported.input_tokens) + cached + written, output_tokens=output)
    return replace(before, output_tokens=output)
