"""Python by pydantic-monty, an interpreter of its own without files, sockets or imports of the host.

It runs in a helper process of this worker, under the same limits. Sources:
https://github.com/pydantic/monty/blob/main/docs/limitations and the stubs of the package.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pydantic_monty
from pydantic_monty._binary import find_monty_binary

from core.execution.sandbox.wire import Request
from core.platform.confined import confinement
from core.platform.confined.failure import Failure
from core.platform.confined.json_values import json_text

MB = confinement.MB
OWN_SOURCE = "<python-input-0>"
MAX_RECURSION = 200


class PythonRunner:
    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._pool: pydantic_monty.Monty | None = None

    def get_ready(self) -> None:
        # Opened as long as the environment's folder can surely be read, started by who may no longer read it.
        path = find_monty_binary()
        if sys.platform == "linux":
            path = f"/proc/self/fd/{os.open(path, os.O_RDONLY)}"
        confinement.give_up_privileges(self._parent)
        self._pool = pydantic_monty.Monty(
            binary_path=path, min_processes=1, max_processes=1, feed_duration_limit_grace=None
        )
        self._pool.__enter__()
        with self._pool.checkout() as session:
            session.feed_run("0")

    def run(self, request: Request, frames: list[bytes]) -> bytes:
        assert self._pool is not None
        seconds, memory_mb = request["seconds"], request["memory_mb"]
        limits: pydantic_monty.ResourceLimits = {
            "max_feed_duration_secs": seconds,
            "max_memory": memory_mb * MB,
            "max_recursion_depth": MAX_RECURSION,
            "max_suspensions": 100,
        }
        scope = json.loads(frames[0])
        frames.clear()
        checkout = self._pool.checkout(limits=limits, os_policy={"sleep": "zero"}, assert_message_annotations=False)
        with checkout as session:
            if session.worker_pid is not None:
                confinement.confine_helper(session.worker_pid, seconds, 2 * memory_mb + 64)
            # Room for the output as values of this process, and as text.
            confinement.limit_use(seconds, 2 * memory_mb + 64)
            confinement.close_doors()
            try:
                session.feed_run(request["source"], inputs=scope, print_callback=_drop)
                output = session.feed_run("output", print_callback=_drop)
            except pydantic_monty.MontyError as error:
                raise _failure(error) from None
            return json_text(output).encode()


def make_runner(parent: int) -> PythonRunner:
    """The runner of this language."""
    return PythonRunner(parent)


def _drop(stream: str, text: str) -> None:
    """What is printed is shown nowhere."""


def _failure(error: Any) -> Failure:
    inner = error.exception()
    if isinstance(error, pydantic_monty.MontyCrashedError):
        return Failure("timeout" if error.timed_out else "memory")
    if isinstance(inner, MemoryError):
        return Failure("memory")
    frames = error.traceback() if hasattr(error, "traceback") else []
    own = [frame for frame in frames if frame.filename == OWN_SOURCE]
    if isinstance(inner, TimeoutError) and "time limit exceeded" in str(inner):
        return Failure("timeout", line=own[-1].line if own else None)
    if not own and isinstance(inner, NameError):
        return Failure("failed", "it sets no `output`: assign the result to a variable of that name")
    kind = type(inner).__name__
    text = str(inner)
    return Failure("failed", f"{kind}: {text}" if text else kind, own[-1].line if own else None)
