"""JavaScript by quickjs-ng, which knows the language and nothing of a host: no require, fetch or timers."""

from __future__ import annotations

import re
import time

import _quickjs

from core.execution.sandbox.wire import Request
from core.platform.confined import confinement
from core.platform.confined.failure import Failure

MB = confinement.MB
STACK = 512 * 1024
PLACE = re.compile(r"<input>:(\d+)(?::\d+)?")


class JavaScriptRunner:
    def __init__(self, parent: int) -> None:
        self._parent = parent

    def get_ready(self) -> None:
        confinement.give_up_privileges(self._parent)

    def run(self, request: Request, frames: list[bytes]) -> bytes:
        deadline = time.monotonic() + request["seconds"]
        confinement.limit_use(request["seconds"], 2 * request["memory_mb"] + 64)
        confinement.close_doors()
        context = _quickjs.Context()
        context.set_memory_limit(request["memory_mb"] * MB)
        context.set_time_limit(request["seconds"])
        context.set_max_stack_size(STACK)
        try:
            context.set("scope", context.parse_json(frames.pop().decode()))
            # A property, unlike `var`, leaves the person free to write `const output` or `let input`.
            context.eval("Object.assign(globalThis, scope, {output: undefined}); delete globalThis.scope")
            # The value of the last line is of no interest, and not every value can be handed over.
            context.eval(f"{request['source']}\n;undefined")
            while context.execute_pending_job():
                if time.monotonic() > deadline:
                    raise Failure("timeout")
            if context.eval("output === undefined"):
                raise Failure("failed", "it sets no `output`: assign the result to a variable of that name")
            text: str | None = context.eval("[output]").json()
        except _quickjs.JSException as error:
            # With no memory left, not even an error can be made: what is thrown is null.
            if context.memory()["malloc_size"] > 0.8 * request["memory_mb"] * MB:
                raise MemoryError from None
            raise _failure(str(error)) from None
        if text is None or not text.startswith("["):
            raise Failure("failed", "the output cannot be written as JSON: it replaces how lists are written")
        return text[1:-1].encode()


def make_runner(parent: int) -> JavaScriptRunner:
    """The runner of this language."""
    return JavaScriptRunner(parent)


def _failure(text: str) -> Failure:
    if text.startswith("InternalError: out of memory"):
        return Failure("memory")
    place = PLACE.search(text)
    line = int(place.group(1)) if place else None
    if text.startswith("InternalError: interrupted"):
        return Failure("timeout", line=line)
    message = text.split("\n    at ", 1)[0].removesuffix("\nundefined").strip()
    if "BigInt" in message:
        message = "a BigInt cannot be part of `output`: use Number(...) or String(...)"
    return Failure("failed", message or "an error without a message", line)
