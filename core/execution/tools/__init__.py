"""The tools of agents: what the model is told of each, and what it does. A new tool is a function and a line here."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable

from core.execution.tools import curl, http, texts
from core.execution.tools.port import Arguments, ToolAnswer, ToolContext, ToolError
from core.execution.tools.secrets import Fillable, placeholder
from core.providers.domain import ToolCall, ToolSpec

__all__ = [
    "RESULT_BYTES",
    "Arguments",
    "Fillable",
    "ToolAnswer",
    "ToolContext",
    "ToolError",
    "fit",
    "placeholder",
    "read_arguments",
    "run",
    "specs",
]

RESULT_BYTES = 16_000
"""The most of an answer that the model is given: what it reads again in every later turn, and pays for."""
CUT_NOTE = 100  # bytes kept free for the note about what was cut

_TOOLS: dict[str, tuple[ToolSpec, Callable[[Arguments, ToolContext], Awaitable[ToolAnswer]]]] = {
    "http_request": (http.HTTP_REQUEST, http.http_request),
    "curl": (curl.CURL, curl.curl),
    "extract_json": (texts.EXTRACT_JSON, texts.extract_json),
    "template_render": (texts.TEMPLATE_RENDER, texts.template_render),
}


def specs(names: Iterable[str]) -> tuple[ToolSpec, ...]:
    """What the model is told of the tools."""
    return tuple(_TOOLS[name][0] for name in names)


def read_arguments(call: ToolCall) -> Arguments:
    """The arguments of a call. Raises ToolError when they are not a JSON object."""
    try:
        value = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        raise ToolError("The arguments are not JSON, or were cut. Write them again, whole.") from None
    if not isinstance(value, dict):
        raise ToolError("The arguments must be a JSON object.")
    return value


async def run(name: str, offered: tuple[str, ...], arguments: Arguments, context: ToolContext) -> ToolAnswer:
    """Use a tool. Raises ToolError and AppError, both for the model to read."""
    if name not in offered:
        raise ToolError(f"There is no tool {name[:60]}. There are: {', '.join(offered) or 'none'}.")
    return await _TOOLS[name][1](arguments, context)


def fit(text: str) -> str:
    """An answer cut to what the model is given."""
    data = text.encode(errors="replace")
    if len(data) <= RESULT_BYTES:
        return data.decode()
    shown = data[: RESULT_BYTES - CUT_NOTE].decode(errors="ignore")
    return f"{shown}\n[cut: {RESULT_BYTES - CUT_NOTE:,} of {len(data):,} bytes are shown]"
