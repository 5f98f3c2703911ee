"""`http_request`, and the sending of what `curl` asks for: through the guard of outbound requests, and bounded."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.execution.tools.port import Arguments, ToolAnswer, ToolContext, ToolError, check_names, text_of
from core.execution.tools.secrets import NotFillable
from core.platform.outbound import OutboundRequest, OutboundResponse
from core.platform.signatures import DELIVERY
from core.providers.domain import ToolSpec

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
READ_BYTES = 262_144
MAX_REDIRECTS = 5
SHOWN_HEADERS = ("content-type", "location", "retry-after")
TEXTUAL = ("text/", "json", "xml", "javascript", "yaml", "csv", "x-www-form-urlencoded")

HTTP_REQUEST = ToolSpec(
    "http_request",
    "Send an HTTP request and read the answer: its status, content type and the beginning of its body. Redirects are "
    "followed. Where the task names a secret as {{env.NAME}}, write exactly that in the url, a header or the body: "
    "the value is filled in when the request is sent.",
    {
        "type": "object",
        "properties": {
            "url": {"type": "string", "description": "The whole address, beginning with https:// or http://."},
            "method": {"type": "string", "enum": list(METHODS), "description": "GET when left out."},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"type": "string", "description": "The body as a text; JSON is written out."},
        },
        "required": ["url"],
    },
)


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A request as the model wrote it, secrets still as placeholders. `user` is `name:password`."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    user: str | None = None
    follow: bool = False
    seconds: float | None = None
    all_headers: bool = False

    def header(self, name: str) -> str:
        """A header by its name in any case; "" without it."""
        return next((value for given, value in self.headers.items() if given.lower() == name), "")


async def http_request(arguments: Arguments, context: ToolContext) -> ToolAnswer:
    """Raises ToolError, OutboundError."""
    check_names(arguments, ("url", "method", "headers", "body"), ("url",))
    method = str(arguments.get("method") or "GET").upper()
    if method not in METHODS:
        raise ToolError(f"The method must be one of {', '.join(METHODS)}.")
    headers = arguments.get("headers") or {}
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise ToolError("The headers must be an object of texts.")
    call = HttpCall(text_of(arguments, "url").strip(), method, headers, _body(arguments.get("body")), follow=True)
    if call.body is not None and not call.header("content-type"):
        call = replace(call, headers={**headers, "Content-Type": _guess_type(call.body)})
    return await send(call, context)


async def send(call: HttpCall, context: ToolContext) -> ToolAnswer:
    """Fill in secrets, send, and put the answer into words. Raises ToolError, OutboundError."""
    secrets = context.secrets
    try:
        url = secrets.fill_url(call.url)
        headers = {name: secrets.fill(value) for name, value in call.headers.items()}
        body = None if call.body is None else secrets.fill_body(call.body, call.header("content-type"))
        if call.user is not None:
            pair = base64.b64encode(secrets.fill(call.user).encode()).decode()
            headers["Authorization"] = f"Basic {pair}"  # RFC 7617
    except NotFillable as problem:
        raise ToolError(str(problem)) from None
    told = "\n".join((url, *(f"{name}: {value}" for name, value in headers.items()), body or ""))
    answer = await context.outbound.send(
        OutboundRequest(
            method=call.method,
            url=url,
            # Last, so that the model cannot write another one.
            headers={**headers, DELIVERY: context.delivery_id},
            body=None if body is None else body.encode(),
            timeout_seconds=min(context.seconds, call.seconds or context.seconds),
            max_bytes=READ_BYTES,
            follow_redirects=call.follow,
            max_redirects=MAX_REDIRECTS,
            network_allowlist=context.network_allowlist or None,
            on_send=lambda host: context.leave(host, told),
        )
    )
    return ToolAnswer(_told(answer, all_headers=call.all_headers), answer.status)


def _told(answer: OutboundResponse, *, all_headers: bool) -> str:
    lines = [f"status: {answer.status}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items() if all_headers or name in SHOWN_HEADERS]
    if len(answer.hosts) > 1:
        lines.append(f"redirected to: {answer.hosts[-1]}")
    kind = answer.headers.get("content-type", "")
    if b"\0" in answer.body[:1024] or (kind and not any(part in kind.lower() for part in TEXTUAL)):
        return "\n".join([*lines, "", f"[{len(answer.body):,} bytes that are no text]" if answer.body else ""])
    more = f"\n[only the first {READ_BYTES:,} bytes were read]" if answer.truncated else ""
    return "\n".join([*lines, "", _decoded(answer.body, kind)]) + more


def _decoded(body: bytes, content_type: str) -> str:
    charset = content_type.lower().partition("charset=")[2].split(";")[0].strip("\"' ")
    try:
        return body.decode(charset or "utf-8", errors="replace")
    except LookupError:
        return body.decode(errors="replace")


def _body(value: Any) -> str | None:
    # Models write JSON bodies as an object as often as not.
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _guess_type(body: str) -> str:
    return "application/json" if body.lstrip()[:1] in ("{", "[") else "text/plain; charset=utf-8"
