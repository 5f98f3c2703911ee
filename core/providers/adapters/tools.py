"""Conversations with tools in the words of each API: what is offered, what was said, and what the model asks for.

Sources: Anthropic, "Tool use" and "Thinking with tool use" (an answer goes back exactly as it came, reasoning
included); OpenAI, "Function calling" and "Reasoning items" (with `store: false` the reasoning comes back sealed, when
asked for); OpenAI's Chat Completions reference for partners.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.providers.domain import ModelRequest, ToolCall, Turn

SEALED_REASONING = "reasoning.encrypted_content"


# -- Anthropic Messages -----------------------------------------------------


def with_message_tools(body: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
    """The body with the tools offered and what was said since the prompt."""
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
    for turn in request.history:
        if turn.reply.items:  # an empty answer cannot be repeated
            body["messages"].append({"role": "assistant", "content": list(turn.reply.items)})
        told: list[dict[str, Any]] = [
            {
                "type": "tool_result",
                "tool_use_id": result.call_id,
                "content": result.text,
                **({"is_error": True} if result.failed else {}),
            }
            for result in turn.results
        ]
        if turn.message:
            told.append({"type": "text", "text": turn.message})
        body["messages"].append({"role": "user", "content": told})
    return body


class Blocks:
    """The content of a message, whole or as it streams in."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, str] = {}

    def start(self, index: int, block: dict[str, Any]) -> None:
        """A block begins, or is whole already."""
        self._blocks[index] = block

    def feed(self, index: int, delta: Any) -> None:
        """The next piece of a block. Raises LookupError, TypeError for one that never began."""
        block = self._blocks[index]
        if delta.type == "text_delta":
            block["text"] += delta.text
        elif delta.type == "input_json_delta":
            self._arguments[index] = self._arguments.get(index, "") + delta.partial_json
        elif delta.type == "thinking_delta":
            block["thinking"] += delta.thinking
        elif delta.type == "signature_delta":
            block["signature"] = delta.signature

    def text(self) -> str:
        """What is said to people."""
        return "".join(block["text"] for block in self._blocks.values() if block["type"] == "text")

    def calls(self) -> tuple[ToolCall, ...]:
        """The tools that are asked for."""
        return tuple(
            ToolCall(block["id"], block["name"], self._arguments.get(index) or json.dumps(block["input"]))
            for index, block in self._blocks.items()
            if block["type"] == "tool_use"
        )

    def items(self) -> tuple[Mapping[str, Any], ...]:
        """The blocks as they are sent back. Arguments that are not an object are sent as an empty one."""
        return tuple(
            {**block, "input": _object(self._arguments[index])} if index in self._arguments else block
            for index, block in self._blocks.items()
            if block["type"] != "text" or block["text"]
        )


def _readable(arguments: str) -> str:
    return json.dumps(_object(arguments))


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


# -- OpenAI Responses -------------------------------------------------------


def with_response_tools(body: dict[str, Any], request: ModelRequest, *, thinks: bool) -> dict[str, Any]:
    """The body with the tools offered and what was said since. `thinks`: the model reasons, and its reasoning comes
    back sealed."""
    if not request.tools:
        return body
    body["tools"] = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
            "strict": False,  # strict mode would ask for every optional argument
        }
        for tool in request.tools
    ]
    if thinks:
        body["include"] = [SEALED_REASONING]
    if request.history:
        given = body["input"]
        prompt = [{"role": "user", "content": given}] if isinstance(given, str) else given
        body["input"] = [*prompt, *(item for turn in request.history for item in _response_items(turn))]
    return body


def _response_items(turn: Turn) -> Iterator[dict[str, Any]]:
    items = turn.reply.items
    whole = all(item.get("encrypted_content") for item in items if item["type"] == "reasoning")
    for item in items:
        if whole:
            yield dict(item)
        elif item["type"] != "reasoning":
            # Nothing is stored at the vendor: without its reasoning an item is not found by its id.
            yield {name: value for name, value in item.items() if name != "id"}
    for result in turn.results:
        yield {"type": "function_call_output", "call_id": result.call_id, "output": result.text}
    if turn.message:
        yield {"role": "user", "content": turn.message}


# -- Chat Completions -------------------------------------------------------


def with_chat_tools(body: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
    """The body with the tools offered and what was said since the prompt."""
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in request.tools
        ]
    for turn in request.history:
        body["messages"] += map(dict, turn.reply.items)
        body["messages"] += [
            {"role": "tool", "tool_call_id": result.call_id, "content": result.text} for result in turn.results
        ]
        if turn.message:
            body["messages"].append({"role": "user", "content": turn.message})
    return body


def said_in_chat(text: str, calls: tuple[ToolCall, ...]) -> tuple[Mapping[str, Any], ...]:
    """An answer as it is sent back."""
    if not calls:
        return ({"role": "assistant", "content": text},)
    # Some servers read the arguments again, and break off where they are no JSON.
    asked = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _readable(call.arguments)}}
        for call in calls
    ]
    return ({"role": "assistant", "content": text or None, "tool_calls": asked},)


def read_chat_calls(found: Iterable[Any] | None) -> tuple[ToolCall, ...]:
    """The tool calls of a whole answer."""
    parts = CallParts()
    for index, call in enumerate(found or ()):
        parts.feed(call, index)
    return parts.whole()


class CallParts:
    """Tool calls as they stream in: the first piece names the tool, the others add to its arguments."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, str]] = {}

    def feed(self, part: Any, index: int | None = None) -> None:
        """The next piece."""
        place = index if index is not None else part.index
        if place is None:  # some servers number nothing, because they send each call in one piece
            place = len(self._calls)
        call = self._calls.setdefault(place, {"id": "", "name": "", "arguments": ""})
        call["id"] = part.id or call["id"]
        if part.function is not None:
            call["name"] = call["name"] or part.function.name or ""
            call["arguments"] += part.function.arguments or ""

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls. One without an id gets one, by which its result is told apart."""
        return tuple(
            ToolCall(call["id"] or f"call_{place}", call["name"], call["arguments"])
            for place, call in self._calls.items()
        )
