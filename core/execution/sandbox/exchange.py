"""One call to a worker, from a free place to the end of its process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from core.execution.sandbox.limits import Limits
from core.execution.sandbox.server import SERVER
from core.execution.sandbox.wire import (
    LENGTH,
    MAX_PROBLEM,
    PROBLEM,
    READY,
    STATUS,
    VALUE,
    FileKind,
    Language,
    Problem,
    Request,
    frame,
    problem,
)
from core.shared.errors import InvariantViolated

PLACES = max(2, 2 * (os.cpu_count() or 1))
"""Calls that run at once; others wait."""
GRACE_SECONDS = 0.2
"""The time a language has to end the code itself, which tells the line, before its process is killed."""
READY_SECONDS = 30.0
END_SECONDS = 5.0
CHUNK = 1 << 16

TOO_MUCH_TIME = {-signal.SIGXCPU}
TOO_MUCH_MEMORY = {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGKILL, -signal.SIGTRAP, -signal.SIGILL}

_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Value:
    """What the code made, as JSON, which is the worker's word and to be read with care."""

    text: bytes


Outcome = Value | Problem


class _ServerLost(Exception):
    """The fork server ended during a call, of which nothing remains."""


async def call_worker(
    language: Language,
    source: str,
    frames: Sequence[bytes],
    limits: Limits,
    files: Sequence[tuple[str, FileKind]] = (),
) -> Outcome:
    """Run the source in a process of its own. That process has ended when this returns, raises or is cancelled.

    Raises InvariantViolated SANDBOX_FAILED when no process could be had.
    """
    request = Request(
        source=source,
        seconds=limits.seconds,
        memory_mb=limits.memory_mb,
        output_bytes=limits.output_bytes,
        files=list(files),
    )
    parts = [json.dumps(request).encode(), *frames]
    async with _place():
        for _ in range(2):
            with contextlib.suppress(_ServerLost):
                # Code acts on nothing outside, so a call that was lost can be made again.
                return await _call(language, parts, limits)
    raise _unavailable()


async def _call(language: Language, parts: Sequence[bytes], limits: Limits) -> Outcome:
    opening = SERVER.open_call
    try:
        opened = opening(language) if SERVER.is_running else await asyncio.to_thread(opening, language)
    except OSError:
        raise _unavailable() from None
    line, leash = opened
    outcome: Outcome | None = None
    status: int | None = None
    with line, leash:
        try:
            outcome = await _talk(line, parts, limits)
        finally:
            status = await asyncio.shield(_end(leash))
    if outcome is not None:
        return outcome
    if status is None:
        raise _ServerLost
    if status in TOO_MUCH_TIME:
        return cast(Problem, problem("timeout"))
    if status in TOO_MUCH_MEMORY:
        return cast(Problem, problem("memory"))
    raise _unavailable()


async def _talk(line: socket.socket, parts: Sequence[bytes], limits: Limits) -> Outcome | None:
    """Send the call and read the reply; None when the worker ended without one."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(READY_SECONDS):
            for part in parts:
                await loop.sock_sendall(line, frame(part))
                await loop.sock_sendall(line, part)
            if await _receive(line, len(READY)) != READY:
                return None
    except TimeoutError:
        raise _unavailable() from None
    except OSError:
        return None
    try:
        async with asyncio.timeout(limits.seconds + GRACE_SECONDS):
            return await _reply(line, limits)
    except TimeoutError:
        return cast(Problem, problem("timeout"))
    except OSError:
        return None


async def _reply(line: socket.socket, limits: Limits) -> Outcome | None:
    head = await _receive(line, 1 + LENGTH.size)
    if head is None:
        return None
    sign, size = head[:1], LENGTH.unpack(head[1:])[0]
    if size > (limits.output_bytes if sign == VALUE else MAX_PROBLEM):
        return cast(Problem, problem("too_large"))
    body = await _receive(line, size)
    if body is None:
        return None
    return Value(body) if sign == VALUE else _problem(sign, body)


def _problem(sign: bytes, body: bytes) -> Problem | None:
    """A problem as the worker tells it: taken apart, since a worker may have been taken over."""
    try:
        told: Any = json.loads(body) if sign == PROBLEM else None
        line = told["line"]
        return cast(
            Problem, problem(str(told["reason"]), str(told["message"]), line if isinstance(line, int) else None)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


async def _receive(line: socket.socket, size: int) -> bytes | None:
    """Exactly that many bytes; None when the other side ends before."""
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    while size:
        part = await loop.sock_recv(line, min(size, CHUNK))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


async def _end(leash: socket.socket) -> int | None:
    """Let go of the worker and wait until it is gone; its exit status, or None when nobody can tell."""
    with contextlib.suppress(OSError, TimeoutError):
        leash.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(END_SECONDS):
            told = await _receive(leash, STATUS.size)
            return None if told is None else int(STATUS.unpack(told)[0])
    return None


def _place() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _places:
        _places[loop] = asyncio.Semaphore(PLACES)
    return _places[loop]


def _unavailable() -> InvariantViolated:
    text = "No process could be started for this step, and nothing of it was run. Run it again in a moment."
    return InvariantViolated("SANDBOX_FAILED", text)
