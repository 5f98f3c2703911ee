"""What a tool is given and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.execution.tools.secrets import Fillable
from core.platform.outbound import Outbound

Arguments = Mapping[str, Any]


class ToolError(Exception):
    """Something the model can put right, in words for it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a call of a tool may use. `delivery_id` names the act; `seconds` bounds it.

    `leave` is told of each host that is about to get something, and of what, and waited for.
    """

    outbound: Outbound
    secrets: Fillable
    network_allowlist: tuple[str, ...]
    delivery_id: str
    seconds: float
    leave: Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the model is told. `status` is that of an HTTP answer."""

    text: str
    status: int | None = None


def check_names(arguments: Arguments, known: tuple[str, ...], required: tuple[str, ...] = ()) -> None:
    """Raise ToolError for arguments that a tool does not have, or lacks."""
    extra = [name for name in arguments if name not in known]
    if extra:
        raise ToolError(f"There is no argument {', '.join(extra)}. The arguments are: {', '.join(known)}.")
    missing = [name for name in required if arguments.get(name) is None]
    if missing:
        raise ToolError(f"The argument {', '.join(missing)} is missing.")


def text_of(arguments: Arguments, name: str) -> str:
    """An argument that must be a text. Raises ToolError."""
    value = arguments[name]
    if not isinstance(value, str):
        raise ToolError(f"The argument {name} must be a text.")
    return value
