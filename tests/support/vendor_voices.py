"""How each vendor API says the same things, for the stand-in server."""

from __future__ import annotations

import json
from typing import Any

from tests.support.encodings import encodings

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
        self.model = str(body["model"])

    def text(self) -> str:
        if self.scenario == "echo":
            return "\n".join(encodings(f"{self.system()} {self.prompt()}"))
        if (schema := self.schema()) is not None:
            return json.dumps(sample_of(schema))
        if self.wants_json():
            return '{"ok": true}'
        if self.scenario == "refusal":
            return "I cannot help with that."
        return " ".join(self.prompt().upper().split()[:40]) or "EMPTY"

    def counts(self) -> tuple[int, int]:
        return max(CACHED + WRITTEN + 1, len(self.prompt()) // 4), max(1, len(self.text()) // 4)

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


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"


class Anthropic(Voice):
    def prompt(self) -> str:
        return _text_of(self.body["messages"][-1]["content"], "text")

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
        return self._message([{"type": "text", "text": self.text()}], self._stop(), self.counts()[1])

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
            _event("message_delta", {"delta": delta, "usage": {"output_tokens": self.counts()[1]}}),
            _event("message_stop", {}),
        ]

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
        return given if isinstance(given, str) else _text_of(given[-1]["content"], "input_text")

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
            "output": [message] if done else [],
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
        return _text_of(self.body["messages"][-1]["content"], "text")

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
        return {"refusal": "content_filter", "long": "length"}.get(self.scenario, "stop")

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.text()}
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
        events = [self._chunk([{"index": 0, "delta": {}, "finish_reason": self._stop()}])]
        if (self.body.get("stream_options") or {}).get("include_usage") and self.scenario != "no-usage":
            events.append(self._chunk([], self._usage()))
        return [*events, "data: [DONE]\n\n"]

    def raw(self, data: str) -> str:
        return f"data: {data}\n\n"

    def error(self) -> str:
        error = {"type": "server_error", "code": "server_error", "message": "The server had an error"}
        return f"data: {json.dumps({'error': error})}\n\n"


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
