"""One query to one process, from its start to its end: started, given the query, timed, read within bounds, killed."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import IO, Any

from core.analytics.console.domain import READY, Column, Cut, Found, Limits, Problem
from core.shared.errors import InvariantViolated

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from core.analytics.console.child import main; main(sys.argv[2], int(sys.argv[3]))"
)
START_SECONDS = 30.0
SLACK = 200_000
"""Bytes of a reply beside its rows: names and types of columns, or a problem."""
PIECE = 1 << 16
END_SECONDS = 5.0
TOO_LONG = {-signal.SIGXCPU}


def run_query(folder: Path, query: str, limits: Limits) -> tuple[Found, float]:
    """Ask the data in a folder; what came of it, and the seconds it took once the data was open.

    The process has ended when this returns or raises. Raises InvariantViolated where none could be started.
    """
    command = [
        sys.executable,
        "-I",
        "-X",
        "utf8",
        "-c",
        PROGRAM,
        str(ROOT),
        json.dumps(asdict(limits)),
        f"{os.getpid()}",
    ]
    # No environment but one that keeps each thread from reserving memory of its own.
    child = subprocess.Popen(  # noqa: S603  (our own interpreter and program)
        command,
        cwd=folder,
        env={"MALLOC_ARENA_MAX": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what a dying library says there may quote the query
        start_new_session=True,
    )
    with child:
        try:
            return _talk(child, query.encode("utf-8", "replace"), limits)
        finally:
            _end(child)


def _talk(child: subprocess.Popen[bytes], query: bytes, limits: Limits) -> tuple[Found, float]:
    assert child.stdin is not None and child.stdout is not None
    _send(child.stdin, query, monotonic() + START_SECONDS)
    if _receive(child.stdout, 1, monotonic() + START_SECONDS) != READY:
        raise InvariantViolated(
            "CONSOLE_UNAVAILABLE", "The query could not be started, and nothing was run. Try again."
        )
    began = monotonic()
    most = limits.most_bytes + SLACK
    reply = _receive(child.stdout, most + 1, began + limits.seconds)
    took = monotonic() - began
    if reply is None:
        return _stopped("timeout", limits), took
    if len(reply) > most:
        return _stopped("too_large", limits), took
    child.wait(END_SECONDS)
    if child.returncode != 0:
        return _stopped("timeout" if child.returncode in TOO_LONG else "memory", limits), took
    return _read(reply, limits), took


def _send(line: IO[bytes], data: bytes, until: float) -> None:
    """Write to a pipe whose other end may never read. What is not taken in time is left."""
    os.set_blocking(line.fileno(), False)
    with contextlib.suppress(BrokenPipeError), selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_WRITE)
        while data and selector.select(max(0.0, until - monotonic())):
            data = data[os.write(line.fileno(), data[:PIECE]) :]
    with contextlib.suppress(BrokenPipeError):
        line.close()


def _receive(line: IO[bytes], most: int, until: float) -> bytes | None:
    """What comes until the other side ends, and no more than that many bytes; None when time is over before."""
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        while size < most:
            if not selector.select(max(0.0, until - monotonic())):
                return None
            part = os.read(line.fileno(), min(PIECE, most - size))
            if not part:
                break
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _read(reply: bytes, limits: Limits) -> Found:
    """A reply, taken apart with care: it is the word of a process that may have been taken over."""
    try:
        told: Any = json.loads(reply, parse_constant=lambda _: None)
        if "reason" in told:
            return _problem(told, limits)
        columns = tuple(Column(str(name), str(kind)) for name, kind in told["columns"])
        rows = tuple(tuple(row) for row in told["rows"])
        cut: Cut = told["cut"] if told["cut"] in ("rows", "bytes") else ""
        if len(rows) > limits.most_rows or any(len(row) != len(columns) for row in rows):
            raise ValueError("rows of other columns")
    except (ValueError, KeyError, TypeError, RecursionError):
        return Found("failed", problem=Problem("The answer cannot be read."))
    return Found("answered", columns, rows, cut)


def _problem(told: dict[str, Any], limits: Limits) -> Found:
    reason = told["reason"]
    if reason not in ("refused", "failed"):
        return _stopped(str(reason), limits)
    line, column = (told[name] if isinstance(told[name], int) else None for name in ("line", "column"))
    return Found("refused" if reason == "refused" else "failed", problem=Problem(str(told["message"]), line, column))


def _stopped(reason: str, limits: Limits) -> Found:
    words = {
        "timeout": f"Stopped after {limits.seconds:g} s. Ask for less: fewer days, a filter first, a smaller join.",
        "too_large": f"One row is larger than {limits.most_bytes / 1e6:g} MB. Ask for fewer columns or shorter values.",
    }
    memory = f"Stopped: it needed more than {limits.memory_mb} MB of memory. Filter or group before you sort or join."
    return Found("stopped", problem=Problem(words.get(reason, memory)))
