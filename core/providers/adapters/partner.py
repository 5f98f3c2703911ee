"""Chat Completions through OpenAI's SDK: partners with compatible servers, and models that need it."""

from __future__ import annotations

from typing import Any

import httpx2
from openai import AsyncOpenAI, Omit

from core.providers import limits
from core.providers.adapters.failures import Progress
from core.providers.adapters.openai import OPENAI_ERRORS, output_format
from core.providers.adapters.port import (
    CONNECT_SECONDS,
    NEW_LIMIT_NAME,
    SCHEMA,
    STREAM_USAGE,
    TEMPERATURE,
    SdkPort,
    instructions,
    malformed,
    tokens,
    truncated,
)
from core.providers.adapters.tools import CallParts, read_chat_calls, said_in_chat, with_chat_tools
from core.providers.domain import OPENAI, ModelCard, ModelReply, ModelRequest, OnDelta, StopReason, ToolCall, Usage
from core.providers.images import DETAIL, data_url, image_upper_bound
from core.providers.tokens import estimate_tokens

_STOPS: dict[str, StopReason] = {
    "stop": "end",
    "eos": "end",
    "end_turn": "end",
    "length": "max_tokens",
    "content_filter": "refusal",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
}


class ChatPort(SdkPort):
    """A model behind Chat Completions."""

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
        if streams and STREAM_USAGE not in without:
            sent.add(STREAM_USAGE)
        if self.card.provider == OPENAI and NEW_LIMIT_NAME not in without:
            sent.add(NEW_LIMIT_NAME)
        return frozenset(sent)

    async def call(
        self, request: ModelRequest, on_delta: OnDelta | None, without: frozenset[str], progress: Progress
    ) -> ModelReply:
        """See `SdkPort`."""
        body = with_chat_tools(self._body(request, without), request)
        call: Any = self._client.chat.completions.create  # its overloads do not take a dict of arguments
        if on_delta is None:
            completion = await call(**body)
            progress.began = True
            return self._reply(completion, request, progress)
        if STREAM_USAGE not in without:
            body["stream_options"] = {"include_usage": True}
        async with await call(**body, stream=True) as stream:
            return await self._read(stream, request, on_delta, progress)

    def _body(self, request: ModelRequest, without: frozenset[str]) -> dict[str, Any]:
        form = output_format(self.card, request, without)
        native = form is not None and form["type"] == "json_schema"
        system = instructions(request, spell_out=not native)
        headers: dict[str, Any] = self.headers(request)
        if not self._key:
            headers["Authorization"] = Omit()
        before = system and not limits.takes_system_prompt(self.card.vendor_model)
        text = f"{system}\n\n{request.prompt}" if before else request.prompt
        messages = [{"role": "user", "content": self._content(text, request)}]
        if system and not before:
            messages.insert(0, {"role": "system", "content": system})
        body: dict[str, Any] = {
            "model": self.card.vendor_model,
            "messages": messages,
            "extra_headers": headers,
            "timeout": httpx2.Timeout(request.timeout_seconds, connect=CONNECT_SECONDS),
        }
        if (cap := self.output_cap(request)) is not None:
            new = self.card.provider == OPENAI and NEW_LIMIT_NAME not in without
            body["max_completion_tokens" if new else "max_tokens"] = cap
        if self.takes_temperature(request, without):
            body["temperature"] = request.temperature
        if form is not None:
            inner = {key: value for key, value in form.items() if key != "type"}
            body["response_format"] = {"type": "json_schema", "json_schema": inner} if native else form
        return body

    def _content(self, text: str, request: ModelRequest) -> str | list[dict[str, Any]]:
        if not request.images:
            return text
        detail = {"detail": DETAIL} if self.card.provider == OPENAI else {}  # not every partner knows the field
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(image), **detail}} for image in request.images
        ]
        return [*parts, {"type": "text", "text": text}]

    async def _read(self, stream: Any, request: ModelRequest, on_delta: OnDelta, progress: Progress) -> ModelReply:
        parts: list[str] = []
        calls = CallParts()
        stop, refused, model = None, False, self.card.vendor_model
        async for chunk in stream:
            progress.began = True
            model = chunk.model or model
            if chunk.usage is not None:
                progress.usage = _usage(chunk.usage)
            for choice in chunk.choices or ():
                piece = choice.delta.content or ""
                if refusal := getattr(choice.delta, "refusal", None):
                    piece, refused = piece + refusal, True
                if piece:
                    parts.append(piece)
                    on_delta(piece)
                for part in choice.delta.tool_calls or ():
                    calls.feed(part)
                stop = choice.finish_reason or stop
        if stop is None:
            truncated()
        text = "".join(parts)
        usage = progress.usage or self._estimated(request, text)
        return self._made(text, usage, "content_filter" if refused else stop, model, calls.whole())

    def _reply(self, completion: Any, request: ModelRequest, progress: Progress) -> ModelReply:
        if completion.usage is not None:
            progress.usage = _usage(completion.usage)
        choice = completion.choices[0]
        refusal = getattr(choice.message, "refusal", None)
        text = choice.message.content if choice.message.content is not None else refusal or ""
        if not isinstance(text, str) or choice.finish_reason is None:
            malformed()
        usage = progress.usage or self._estimated(request, text)
        calls = read_chat_calls(choice.message.tool_calls)
        stop = "content_filter" if refusal else choice.finish_reason
        return self._made(text, usage, stop, completion.model, calls)

    def _estimated(self, request: ModelRequest, text: str) -> Usage:
        # Some compatible servers report nothing: better an estimate than a call that looks free.
        prompt = "\n".join(request.texts())
        pictures = sum(image_upper_bound(image, self.card) for image in request.images)
        return Usage(estimate_tokens(prompt, self.card) + pictures, estimate_tokens(text, self.card))

    def _made(self, text: str, usage: Usage, stop: str, model: str, calls: tuple[ToolCall, ...]) -> ModelReply:
        name, items = str(model or self.card.id), said_in_chat(text, calls)
        # Some compatible servers stop with "stop" although they call.
        reason = "tool_use" if calls and stop == "stop" else _STOPS.get(stop, "other")
        return ModelReply(text, usage, reason, name, self.card.provider, calls, items)


def _usage(reported: Any) -> Usage:
    details = reported.prompt_tokens_details
    return Usage(
        tokens(reported.prompt_tokens),
        tokens(reported.completion_tokens),
        tokens(getattr(details, "cached_tokens", None) or 0),
        tokens(getattr(details, "cache_write_tokens", None) or 0),
    )
