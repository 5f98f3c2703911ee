"""How each vendor API says the same things, for the stand-in server."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.encodings import encodings

SEALED = "sealed reasoning"
# Tokens every answer reports as read from, and written to, the vendor's cache.
CACHED, WRITTEN = 4, 2
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class Voice:
    """How one API says the same things."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.scenario = "normal"
        self.says: str | None = None
        self.model = str(body["model"])

    def text(self) -> str:
        if self.asked():
            return "Let me look."
        if self.scenario == "echo":
            return "\n".join(encodings(f"{self.system()} {self.prompt()}"))
        if (schema := self.schema()) is not None:
            return json.dumps(sample_of(schema))
        if self.wants_json():
            return '{"ok": true}'
        if self.scenario == "refusal":
            return "I cannot help with that."
        if self.scenario.startswith("tools"):
            return " | ".join(["RESULTS", *self.results()])
        if self.says is not None:
            return self.says
        return " ".join(self.prompt().upper().split()[:40]) or "EMPTY"

    def counts(self) -> tuple[int, int]:
        given = len(self.prompt()) + sum(map(len, self.results()))
        made = len(self.text()) + sum(len(arguments) for _, arguments in self.asked())
        read = 100_000_000 if self.scenario == "tools-dear" else given // 4
        return max(CACHED + WRITTEN + 1, read), max(1, made // 4)

    def results(self) -> list[str]:
        """What the tools gave so far."""
        raise NotImplementedError

    def offered(self) -> list[str]:
        """The names of the tools that may be asked for."""
        return [tool.get("name") or tool["function"]["name"] for tool in self.body.get("tools") or ()]

    def asked(self) -> list[tuple[str, str]]:
        """The tools it asks for now, with their arguments."""
        if not self.scenario.startswith("tools"):
            return []
        done = len(self.results())
        script = written_calls(self.prompt(), self.offered())
        match self.scenario:
            case "tools-together":
                return [] if done else script
            case "tools-endless":
                return script[:1]
            case "tools-malformed":
                script = [(script[0][0], script[0][1][:-2]), *script]
            case "tools-unknown":
                script = [("no_such_tool", "{}"), *script]
        return script[done : done + 1]

    def call_id(self, index: int) -> str:
        return f"call_{len(self.results())}_{index}"

    def prompt(self) -> str:
        raise NotImplementedError

    def system(self) -> str:
        raise NotImplementedError

    def schema(self) -> dict[str, Any] | None:
        raise NotImplementedError

    def wants_json(self) -> bool:
        return False

    def whole(self) -> dict[str, Any]:
        raise NotImplementedError

    def opening(self) -> list[str]:
        raise NotImplementedError

    def delta(self, piece: str) -> str:
        raise NotImplementedError

    def closing(self) -> list[str]:
        raise NotImplementedError

    def raw(self, data: str) -> str:
        raise NotImplementedError

    def error(self) -> str:
        raise NotImplementedError

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"type": _ERROR_TYPES.get(status, "api_error"), "message": message, "code": None}}


def _text_of(content: Any, kind: str) -> str:
    """The text of a message, which is a list of parts where pictures come with it."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == kind)


def written_calls(prompt: str, offered: list[str]) -> list[tuple[str, str]]:
    """The calls a prompt writes as `name {arguments}`, in order."""
    found = []
    for match in re.finditer(rf"\b({'|'.join(offered) or '-'})\s+(?={{)", prompt):
        value, end = json.JSONDecoder().raw_decode(prompt, match.end())
        assert isinstance(value, dict)
        found.append((match.group(1), prompt[match.end() : end]))
    return found


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"


class Anthropic(Voice):
    def prompt(self) -> str:
        return _text_of(self.body["messages"][0]["content"], "text")

    def results(self) -> list[str]:
        told = [message["content"] for message in self.body["messages"][1:] if message["role"] == "user"]
        return [str(part["content"]) for parts in told for part in parts if part["type"] == "tool_result"]

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {"type": "tool_use", "id": self.call_id(index), "name": name, "input": _loaded(arguments)}
            for index, (name, arguments) in enumerate(self.asked())
        ]

    def system(self) -> str:
        return str(self.body.get("system") or "")

    def schema(self) -> dict[str, Any] | None:
        form = (self.body.get("output_config") or {}).get("format")
        return form["schema"] if form else None

    def _usage(self, output: int) -> dict[str, Any]:
        # Cached tokens are counted beside the input here, not into it.
        given = self.counts()[0] - CACHED - WRITTEN
        return {
            "input_tokens": given,
            "output_tokens": output,
            "cache_read_input_tokens": CACHED,
            "cache_creation_input_tokens": WRITTEN,
        }

    def _stop(self) -> str:
        if self.asked():
            return "tool_use"
        return {"refusal": "refusal", "long": "max_tokens"}.get(self.scenario, "end_turn")

    def _message(self, content: list[dict[str, Any]], stop: str | None, output: int) -> dict[str, Any]:
        return {
            "id": "msg_stub",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": self._usage(output),
        }

    def whole(self) -> dict[str, Any]:
        content = [{"type": "text", "text": self.text()}, *self._calls()]
        if self.asked():
            content.insert(0, {"type": "thinking", "thinking": "Hm.", "signature": SEALED})
        return self._message(content, self._stop(), self.counts()[1])

    def opening(self) -> list[str]:
        return [
            _event("message_start", {"message": self._message([], None, 1)}),
            _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            _event("ping", {}),
        ]

    def delta(self, piece: str) -> str:
        return _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}})

    def closing(self) -> list[str]:
        delta = {"stop_reason": self._stop(), "stop_sequence": None}
        return [
            _event("content_block_stop", {"index": 0}),
            *self._called(),
            _event("message_delta", {"delta": delta, "usage": {"output_tokens": self.counts()[1]}}),
            _event("message_stop", {}),
        ]

    def _called(self) -> list[str]:
        if not self.asked():
            return []
        thought = {"type": "thinking", "thinking": "", "signature": ""}
        events = [
            _event("content_block_start", {"index": 1, "content_block": thought}),
            _event("content_block_delta", {"index": 1, "delta": {"type": "thinking_delta", "thinking": "Hm."}}),
            _event("content_block_delta", {"index": 1, "delta": {"type": "signature_delta", "signature": SEALED}}),
            _event("content_block_stop", {"index": 1}),
        ]
        for index, (name, arguments) in enumerate(self.asked()):
            block = {"type": "tool_use", "id": self.call_id(index), "name": name, "input": {}}
            events.append(_event("content_block_start", {"index": 2 + index, "content_block": block}))
            for piece in (arguments[:5], arguments[5:]):
                delta = {"type": "input_json_delta", "partial_json": piece}
                events.append(_event("content_block_delta", {"index": 2 + index, "delta": delta}))
            events.append(_event("content_block_stop", {"index": 2 + index}))
        return events

    def raw(self, data: str) -> str:
        return f"event: content_block_delta\ndata: {data}\n\n"

    def error(self) -> str:
        return _event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})

    def error_body(self, status: int, message: str) -> dict[str, Any]:
        kind = _ERROR_TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_stub"}


class Responses(Voice):
    def prompt(self) -> str:
        given = self.body["input"]
        return given if isinstance(given, str) else _text_of(given[0]["content"], "input_text")

    def results(self) -> list[str]:
        given = self.body["input"]
        items = [] if isinstance(given, str) else given
        return [item["output"] for item in items if item.get("type") == "function_call_output"]

    def _calls(self) -> list[dict[str, Any]]:
        asked = [
            {
                "type": "function_call",
                "id": f"fc_{self.call_id(index)}",
                "call_id": self.call_id(index),
                "name": name,
                "arguments": arguments,
                "status": "completed",
            }
            for index, (name, arguments) in enumerate(self.asked())
        ]
        if not asked:
            return []
        sealed = {"encrypted_content": SEALED} if "reasoning.encrypted_content" in self.body.get("include", ()) else {}
        return [{"type": "reasoning", "id": f"rs_{len(self.results())}", "summary": [], **sealed}, *asked]

    def system(self) -> str:
        return str(self.body.get("instructions") or "")

    def _form(self) -> dict[str, Any]:
        return (self.body.get("text") or {}).get("format") or {}

    def schema(self) -> dict[str, Any] | None:
        return self._form().get("schema")

    def wants_json(self) -> bool:
        return self._form().get("type") == "json_object"

    def _response(self, status: str) -> dict[str, Any]:
        given, made = self.counts()
        refused = self.scenario == "refusal"
        part: dict[str, Any] = (
            {"type": "refusal", "refusal": self.text()}
            if refused
            else {"type": "output_text", "text": self.text(), "annotations": []}
        )
        message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        done = status in ("completed", "incomplete")
        usage = {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": CACHED, "cache_write_tokens": WRITTEN},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + made,
        }
        return {
            "id": "resp_stub",
            "object": "response",
            "created_at": 0,
            "status": status,
            "model": self.model,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": [message, *self._calls()] if done else [],
            "usage": usage if done else None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    def _end(self) -> str:
        return "incomplete" if self.scenario == "long" else "completed"

    def whole(self) -> dict[str, Any]:
        return self._response(self._end())

    def opening(self) -> list[str]:
        return [_event("response.created", {"sequence_number": 0, "response": self._response("in_progress")})]

    def delta(self, piece: str) -> str:
        name = "response.refusal.delta" if self.scenario == "refusal" else "response.output_text.delta"
        place = {"item_id": "m", "output_index": 0, "content_index": 0, "sequence_number": 1}
        return _event(name, {**place, "delta": piece})

    def closing(self) -> list[str]:
        return [_event(f"response.{self._end()}", {"sequence_number": 9, "response": self._response(self._end())})]

    def raw(self, data: str) -> str:
        return f"event: response.output_text.delta\ndata: {data}\n\n"

    def error(self) -> str:
        return _event("error", {"code": "server_error", "message": "The server had an error", "sequence_number": 3})


class Chat(Voice):
    def prompt(self) -> str:
        return _text_of(
            next(message["content"] for message in self.body["messages"] if message["role"] == "user"), "text"
        )

    def results(self) -> list[str]:
        return [message["content"] for message in self.body["messages"] if message["role"] == "tool"]

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {"id": self.call_id(index), "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(self.asked())
        ]

    def system(self) -> str:
        first = self.body["messages"][0]
        return str(first["content"]) if first["role"] == "system" else ""

    def _form(self) -> dict[str, Any]:
        return self.body.get("response_format") or {}

    def schema(self) -> dict[str, Any] | None:
        return (self._form().get("json_schema") or {}).get("schema")

    def wants_json(self) -> bool:
        return self._form().get("type") == "json_object"

    def _usage(self) -> dict[str, Any]:
        given, made = self.counts()
        return {
            "prompt_tokens": given,
            "completion_tokens": made,
            "total_tokens": given + made,
            "prompt_tokens_details": {"cached_tokens": CACHED},
        }

    def _stop(self) -> str:
        if self.asked():
            return "tool_calls"
        return {"refusal": "content_filter", "long": "length"}.get(self.scenario, "stop")

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.text()}
        if self.asked():
            message["tool_calls"] = self._calls()
        return {
            "id": "chat_stub",
            "object": "chat.completion",
            "created": 0,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": self._stop()}],
            "usage": None if self.scenario == "no-usage" else self._usage(),
        }

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> str:
        data = {"id": "chat_stub", "object": "chat.completion.chunk", "created": 0, "model": self.model}
        return f"data: {json.dumps({**data, 'choices': choices, 'usage': usage})}\n\n"

    def opening(self) -> list[str]:
        return [self._chunk([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])]

    def delta(self, piece: str) -> str:
        return self._chunk([{"index": 0, "delta": {"content": piece}, "finish_reason": None}])

    def closing(self) -> list[str]:
        events = []
        for index, call in enumerate(self._calls()):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            first = {**call, "index": index, "function": {"name": name, "arguments": arguments[:5]}}
            rest = {"index": index, "function": {"arguments": arguments[5:]}}
            for part in (first, rest):
                events.append(self._chunk([{"index": 0, "delta": {"tool_calls": [part]}, "finish_reason": None}]))
        events.append(self._chunk([{"index": 0, "delta": {}, "finish_reason": self._stop()}]))
        if (self.body.get("stream_options") or {}).get("include_usage") and self.scenario != "no-usage":
            events.append(self._chunk([], self._usage()))
        return [*events, "data: [DONE]\n\n"]

    def raw(self, data: str) -> str:
        return f"data: {data}\n\n"

    def error(self) -> str:
        error = {"type": "server_error", "code": "server_error", "message": "The server had an error"}
        return f"data: {json.dumps({'error': error})}\n\n"


def _loaded(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def sample_of(schema: dict[str, Any]) -> Any:
    """A small value of a schema's type."""
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: sample_of(part) for name, part in (schema.get("properties") or {}).items()}
        case "array":
            return [sample_of(schema.get("items") or {})]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return "text"
