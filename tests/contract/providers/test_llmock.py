"""The adapters against an independent imitation of the vendors, which has its own idea of their formats."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.providers.catalogue import Catalogue
from core.providers.domain import (
    ModelCard,
    ModelPort,
    ModelRequest,
    PartnerConfig,
    ProviderConfig,
    ToolResult,
    ToolSpec,
    Turn,
)
from core.providers.router import Providers
from core.shared.errors import ProviderError

MODELS = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-4.1-mini", "groq": "llama-3.3-70b-versatile"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["city", "size"],
    "additionalProperties": False,
}


@pytest.fixture(params=list(MODELS))
async def port(request: pytest.FixtureRequest, llmock: Any) -> AsyncIterator[ModelPort]:
    groq = PartnerConfig("groq", llmock.base_url("groq"), "gsk-test", (MODELS["groq"],), {"input": 1, "output": 2})
    config = ProviderConfig("sk-test", llmock.base_url("anthropic"), "sk-test", llmock.base_url("openai"), (groq,))
    card = Catalogue(config).find(MODELS[request.param])
    assert isinstance(card, ModelCard)
    providers = Providers(config)
    yield providers.port_for(card, None)
    await providers.aclose()


def request_of(**changes: Any) -> ModelRequest:
    return ModelRequest("m", "Name a city and its size.", idempotency_key="k", timeout_seconds=5, **changes)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply(port: ModelPort, llmock: Any, stream: bool) -> None:
    llmock.reply("Paris is a city of two million people.")
    heard: list[str] = []
    reply = await port.complete(request_of(system_prompt="Be brief."), heard.append if stream else None)
    assert reply.text == "Paris is a city of two million people."
    assert reply.stop_reason == "end"
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0
    assert "".join(heard) == (reply.text if stream else "")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_schema(port: ModelPort, stream: bool, request: pytest.FixtureRequest) -> None:
    reply = await port.complete(request_of(output_schema=SCHEMA), (lambda piece: None) if stream else None)
    if "anthropic" in request.node.name:  # this imitation has no structured outputs for Anthropic
        assert reply.text
    else:
        assert set(json.loads(reply.text)) == {"city", "size"}


async def test_a_rate_limit(port: ModelPort, llmock: Any) -> None:
    llmock.rate_limit(times=1, retry_after=3)
    with pytest.raises(ProviderError) as caught:
        await port.complete(request_of(), None)
    assert (caught.value.code, caught.value.retryable) == ("RATE_LIMITED", True)
    assert caught.value.retry_after == 3
    assert len(llmock.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(500, "VENDOR_ERROR"), (503, "OVERLOADED"), (529, "OVERLOADED"), (401, "AUTHENTICATION")]
)
async def test_an_error(port: ModelPort, llmock: Any, status: int, code: str) -> None:
    llmock.fail(status)
    with pytest.raises(ProviderError) as caught:
        await port.complete(request_of(), None)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("disconnect", {"TRUNCATED_STREAM"}),
        ("truncate", {"TRUNCATED_STREAM"}),
        ("corrupt", {"MALFORMED"}),
    ],
)
async def test_a_broken_stream(
    port: ModelPort, llmock: Any, fault: str, codes: set[str], request: pytest.FixtureRequest
) -> None:
    if fault == "corrupt" and "anthropic" in request.node.name:
        # It corrupts an event by taking its name away too, and Anthropic's SDK skips events without a name.
        # A named event with broken data is in test_adapters.
        pytest.skip("invisible through the SDK")
    getattr(llmock, fault)(after_chunks=2)
    with pytest.raises(ProviderError) as caught:
        await port.complete(request_of(), lambda piece: None)
    assert caught.value.code in codes
    assert caught.value.retryable


async def test_a_stalled_stream(port: ModelPort, llmock: Any) -> None:
    llmock.stall(after_chunks=2, seconds=5)
    quick = ModelRequest("m", "Name a city.", timeout_seconds=0.4)
    with pytest.raises(ProviderError) as caught:
        await port.complete(quick, lambda piece: None)
    assert caught.value.code == "TIMEOUT"


async def test_too_long_a_prompt(port: ModelPort, llmock: Any) -> None:
    llmock.context_overflow()
    with pytest.raises(ProviderError) as caught:
        await port.complete(request_of(), None)
    assert (caught.value.code, caught.value.retryable) == ("BAD_REQUEST", False)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool(port: ModelPort, llmock: Any, stream: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = (ToolSpec("weather", "The weather of a city.", schema),)
    llmock.call_tool("weather", {"city": "Paris"})
    listen = (lambda piece: None) if stream else None
    reply = await port.complete(request_of(tools=tools), listen)
    (call,) = reply.tool_calls
    assert (reply.stop_reason, call.name, json.loads(call.arguments)) == ("tool_use", "weather", {"city": "Paris"})
    llmock.reply("It is warm.")
    turn = Turn(reply, (ToolResult(call.id, "21 degrees"),))
    last = await port.complete(request_of(tools=tools, history=(turn,)), listen)
    assert (last.text, last.stop_reason) == ("It is warm.", "end")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_broken_tool_call(port: ModelPort, llmock: Any, stream: bool) -> None:
    tools = (ToolSpec("weather", "The weather.", {"type": "object", "properties": {}}),)
    llmock.break_tool_call("unknown_tool")
    reply = await port.complete(request_of(tools=tools), (lambda piece: None) if stream else None)
    assert reply.tool_calls and reply.tool_calls[0].name != "weather"
