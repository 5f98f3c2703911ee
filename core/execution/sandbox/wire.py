"""How the server and a worker process write to each other: frames of a length and that many bytes.

A request is one frame of JSON (`Request`) and the frames it announces. The worker answers READY when it has
read them all, then one reply: a sign (VALUE or PROBLEM) and a frame of JSON.
"""

from __future__ import annotations

import struct
from typing import Any, Literal, TypedDict

LENGTH = struct.Struct("!Q")

READY = b"R"
VALUE = b"V"
PROBLEM = b"P"
MAX_PROBLEM = 16_000
"""Bytes of the JSON of a problem."""

STATUS = struct.Struct("!i")
"""What the leash says when all is over: the exit code, or minus the signal that ended the process."""

Language = Literal["python", "javascript", "sql"]
LANGUAGES: tuple[Language, ...] = ("python", "javascript", "sql")
FileKind = Literal["csv", "parquet", "json"]


class Request(TypedDict):
    """`source` runs under the limits. `frames`: the scope, or for SQL its tables, then a frame a file."""

    source: str
    seconds: float
    memory_mb: int
    output_bytes: int
    files: list[tuple[str, FileKind]]


class Problem(TypedDict):
    """Why there is no value. `reason`: failed, timeout, memory, too_large. `line` counts from 1."""

    reason: str
    message: str
    line: int | None


def frame(data: bytes) -> bytes:
    """The length of the data as it stands before it."""
    return LENGTH.pack(len(data))


def problem(reason: str, message: str = "", line: int | None = None) -> dict[str, Any]:
    """A Problem, its message cut to a size fit to be read."""
    shown = message if len(message) <= 1_000 else f"{message[:1_000]}…"
    return {"reason": reason, "message": shown, "line": line}
