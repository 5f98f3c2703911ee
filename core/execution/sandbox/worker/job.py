"""One worker's life: get ready, receive a call, run it within its limits, reply, end."""

from __future__ import annotations

import json
import socket
from importlib import import_module
from typing import Any, Protocol, cast

from core.execution.sandbox.wire import LENGTH, PROBLEM, READY, VALUE, Language, Request, frame, problem
from core.platform.confined.failure import Failure

CHUNK = 1 << 20


class Runner(Protocol):
    """A language: made while nobody waits, then run once."""

    def get_ready(self) -> None: ...

    def run(self, request: Request, frames: list[bytes]) -> bytes:
        """The JSON of the value, at most `output_bytes` long. Raises Failure, and MemoryError."""


class Job:
    def __init__(self, make_runner: Any) -> None:
        self._make_runner = make_runner

    def serve(self, waiting: socket.socket, parent: int) -> None:
        """Wait for a call on a socket, and answer it."""
        runner: Runner = self._make_runner(parent)
        runner.get_ready()
        _, fds, _, _ = socket.recv_fds(waiting, 1, 1)
        if not fds:
            return
        waiting.close()
        line = socket.socket(fileno=fds[0])
        request = cast(Request, json.loads(_receive_frame(line)))
        frames = [_receive_frame(line) for _ in range(1 + len(request["files"]))]
        line.sendall(READY)
        sign, body = _answer(runner, request, frames)
        line.sendall(sign + frame(body))
        line.sendall(body)


def load(language: Language) -> Job:
    """The runner of a language; its library is imported once."""
    module = import_module(f"core.execution.sandbox.worker.{language}_runner")
    return Job(module.make_runner)


def _answer(runner: Runner, request: Request, frames: list[bytes]) -> tuple[bytes, bytes]:
    try:
        body = runner.run(request, frames)
        if len(body) <= request["output_bytes"]:
            return VALUE, body
        failure = Failure("too_large")
    except MemoryError:
        failure = Failure("memory")
    except RecursionError:
        failure = Failure("failed", "the output is nested too deep")
    except Failure as raised:
        failure = raised
    return PROBLEM, json.dumps(problem(failure.reason, failure.message, failure.line)).encode()


def _receive_frame(line: socket.socket) -> bytes:
    size: int = LENGTH.unpack(_receive(line, LENGTH.size))[0]
    return _receive(line, size)


def _receive(line: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    at = 0
    while at < size:
        got = line.recv_into(view[at : at + CHUNK])
        if got == 0:
            raise EOFError
        at += got
    view.release()
    return bytes(data)
