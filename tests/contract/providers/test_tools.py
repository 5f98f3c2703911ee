"""Tools: what is offered, what the model asks for, and what goes back to it, in the words of each API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from core.providers.domain import ModelReply, ToolResult, ToolSpec, Turn
from core.providers.tokens import request_upper_bound
from tests.contract.providers.conftest import Vendor
from tests.support.vendor_voices import SEALED

WEATHER = ToolSpec("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = ToolSpec("clock", "The time in a zone.", {"type": "object", "properties": {"zone": {"type": "string"}}})
TOOLS = (WEATHER, CLOCK)
SCRIPT = 'First weather {"city": "Angers"} and then clock {"zone": "CET"}, please.'
SCHEMA = {
    "type": "object",
    "properties": {"degrees": {"type": "integer"}},
    "required": ["degrees"],
    "additionalProperties": False,
}

streamed = pytest.mark.parametrize("stream", [False, True])


def told(reply: ModelReply, *texts: str, failed: bool = False) -> Turn:
    calls = zip(reply.tool_calls, texts, strict=True)
    return Turn(reply, tuple(ToolResult(call.id, text, failed) for call, text in calls))


def listener(stream: bool) -> Any:
    return (lambda piece: None) if stream else None


async def ask(vendor: Vendor, scenario: str, *history: Turn, stream: bool = False, **more: Any) -> ModelReply:
    return await vendor.call(scenario, listener(stream), prompt=SCRIPT, tools=TOOLS, history=history, **more)


@streamed
async def test_a_conversation(vendor: Vendor, stream: bool) -> None:
    first = await ask(vendor, "tools", stream=stream)
    assert (first.stop_reason, first.text) == ("tool_use", "Let me look.")
    (call,) = first.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Angers"})
    second = await ask(vendor, "tools", told(first, "21 degrees"), stream=stream)
    assert [call.name for call in second.tool_calls] == ["clock"]
    assert second.tool_calls[0].id != call.id
    last = await ask(vendor, "tools", told(first, "21 degrees"), told(second, "noon"), stream=stream)
    assert (last.text, last.stop_reason, last.tool_calls) == ("RESULTS | 21 degrees | noon", "end", ())
    assert last.usage.input_tokens >= first.usage.input_tokens


@streamed
async def test_several_calls_at_once(vendor: Vendor, stream: bool) -> None:
    reply = await ask(vendor, "tools-together", stream=stream)
    assert [(call.name, json.loads(call.arguments)) for call in reply.tool_calls] == [
        ("weather", {"city": "Angers"}),
        ("clock", {"zone": "CET"}),
    ]
    assert len({call.id for call in reply.tool_calls}) == 2
    last = await ask(vendor, "tools-together", told(reply, "one", "two"), stream=stream)
    assert last.text == "RESULTS | one | two"


async def test_what_is_offered(vendor: Vendor) -> None:
    await ask(vendor, "tools")
    offered = vendor.last.body["tools"]
    assert [tool.get("name") or tool["function"]["name"] for tool in offered] == ["weather", "clock"]
    assert all(spec.description in json.dumps(offered) for spec in TOOLS)
    first = offered[0]
    schema = first.get("input_schema") or first.get("parameters") or first["function"]["parameters"]
    assert schema == WEATHER.parameters
    await vendor.call("")
    assert "tools" not in vendor.last.body


@streamed
async def test_an_answer_goes_back_as_it_came(vendor: Vendor, stream: bool) -> None:
    first = await ask(vendor, "tools", stream=stream)
    await ask(vendor, "tools", told(first, "21 degrees", failed=True), stream=stream)
    (call,) = first.tool_calls
    body = vendor.last.body
    if vendor.kind == "anthropic":
        answer, results = body["messages"][1:]
        assert answer["role"] == "assistant" and results["role"] == "user"
        blocks = {block["type"]: block for block in answer["content"]}
        assert blocks["thinking"] == {"type": "thinking", "thinking": "Hm.", "signature": SEALED}
        assert blocks["tool_use"] == {"type": "tool_use", "id": call.id, "name": "weather", "input": {"city": "Angers"}}
        assert results["content"] == [
            {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees", "is_error": True}
        ]
    elif vendor.kind == "openai":
        prompt, message, asked, result = body["input"]
        assert prompt == {"role": "user", "content": SCRIPT}
        assert message["content"][0]["text"] == "Let me look."
        assert "id" not in asked, "its reasoning was not sealed, so the vendor would not find it"
        assert (asked["type"], asked["call_id"]) == ("function_call", call.id)
        assert result == {"type": "function_call_output", "call_id": call.id, "output": "21 degrees"}
    else:
        prompt, answer, result = body["messages"]
        assert answer["tool_calls"][0]["id"] == call.id
        assert json.loads(answer["tool_calls"][0]["function"]["arguments"]) == {"city": "Angers"}
        assert result == {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}


@streamed
async def test_an_answer_can_be_followed_by_a_message(vendor: Vendor, stream: bool) -> None:
    reply = await vendor.call("", listener(stream), prompt="say hello", tools=TOOLS)
    assert reply.text == "SAY HELLO"
    history = (Turn(reply, message="Louder, please."),)
    await vendor.call("", listener(stream), prompt="say hello", tools=TOOLS, history=history)
    sent = json.dumps(vendor.last.body)
    assert sent.index("say hello") < sent.index("SAY HELLO") < sent.index("Louder, please.")


@streamed
async def test_malformed_arguments_are_handed_on_and_the_conversation_goes_on(vendor: Vendor, stream: bool) -> None:
    reply = await ask(vendor, "tools-malformed", stream=stream)
    (call,) = reply.tool_calls
    if vendor.kind == "anthropic" and not stream:
        assert call.arguments == "{}", "whole, its arguments are an object or nothing"
    else:
        assert call.arguments == '{"city": "Angers'
        with pytest.raises(ValueError):
            json.loads(call.arguments)
    second = await ask(vendor, "tools-malformed", told(reply, "Not JSON.", failed=True), stream=stream)
    assert json.loads(second.tool_calls[0].arguments) == {"city": "Angers"}


@streamed
async def test_a_tool_that_nobody_offered_is_handed_on(vendor: Vendor, stream: bool) -> None:
    reply = await ask(vendor, "tools-unknown", stream=stream)
    assert [call.name for call in reply.tool_calls] == ["no_such_tool"]


async def test_a_schema_beside_tools_is_enforced_only_where_the_vendor_can(vendor: Vendor) -> None:
    reply = await vendor.call("", prompt="How warm is it?", tools=TOOLS, output_schema=SCHEMA)
    body = vendor.last.body
    if vendor.kind == "partner":
        assert "response_format" not in body and "JSON Schema" in json.dumps(body)
    else:
        assert json.loads(reply.text) == {"degrees": 1}


async def test_the_upper_bound_covers_tools_and_what_was_said(vendor: Vendor) -> None:
    plain = vendor.request(prompt=SCRIPT)
    offered = replace(plain, tools=TOOLS)
    reply = await ask(vendor, "tools")
    result = "21 degrees " * 1000
    after = replace(offered, history=(told(reply, result),))
    bounds = [request_upper_bound(request, vendor.card) for request in (plain, offered, after)]
    assert bounds[0] + 1000 < bounds[1]
    assert bounds[1] + 2000 < bounds[2]


async def test_no_error_repeats_what_a_tool_gave(vendor: Vendor) -> None:
    reply = await ask(vendor, "tools")
    from core.providers.adapters.failures import safe_detail

    request = vendor.request(prompt=SCRIPT, history=(told(reply, "the walrus and the carpenter"),))
    assert safe_detail("Refused because of: the walrus and the carpenter", request, "") == ""


class TestReasoning:
    """OpenAI's models that reason, of which nothing is stored at the vendor."""

    @pytest.fixture
    def thinker(self, vendor: Vendor) -> Vendor:
        if vendor.kind != "openai":
            pytest.skip("only the Responses API seals its reasoning")
        vendor.card = replace(vendor.card, vendor_model="gpt-5-mini")
        return vendor

    @streamed
    async def test_sealed_reasoning_goes_back_with_its_items(self, thinker: Vendor, stream: bool) -> None:
        first = await ask(thinker, "tools", stream=stream)
        assert thinker.last.body["include"] == ["reasoning.encrypted_content"]
        await ask(thinker, "tools", told(first, "21 degrees"), stream=stream)
        items = {item.get("type"): item for item in thinker.last.body["input"]}
        assert items["reasoning"]["encrypted_content"] == SEALED
        assert items["reasoning"]["id"] and items["function_call"]["id"]

    async def test_a_model_that_seals_nothing_is_asked_once(self, thinker: Vendor) -> None:
        for _ in range(2):
            await ask(thinker, "no-sealed")
        assert ["include" in seen.body for seen in thinker.stub.requests] == [True, False, False]


class TestServersThatDiffer:
    """What compatible servers do otherwise than OpenAI."""

    def test_calls_without_index_id_or_reason(self) -> None:
        from types import SimpleNamespace as Part

        from core.providers.adapters.tools import CallParts

        parts = CallParts()
        for name in ("weather", "clock"):
            parts.feed(Part(index=None, id=None, function=Part(name=name, arguments="{}")))
        first, second = parts.whole()
        assert (first.name, second.name) == ("weather", "clock")
        assert first.id and second.id and first.id != second.id
