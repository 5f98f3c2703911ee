"""`stepiq` commands for tests, each a process of its own, forked from one that has its imports done.

Importing takes longer than most commands do, and the tests run some hundred of them. What runs is the same code over
the same arguments, environment and streams; one test keeps starting the real program.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 120
SHELL = ("PATH", "HOME", "LANG", "TMPDIR")


def run_cli(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `stepiq` with these arguments in exactly this environment, from the root of the project."""
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    asked = {"arguments": list(arguments), "environment": dict(environment), "stdin": stdin}
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    told = json.loads(server.stdout.readline())
    return subprocess.CompletedProcess(["stepiq", *arguments], told["code"], told["stdout"], told["stderr"])


@cache
def _server() -> "subprocess.Popen[str]":
    environment = {name: os.environ[name] for name in SHELL if name in os.environ}
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm_cli"],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    atexit.register(server.kill)
    return server


def _serve() -> None:
    import anthropic  # noqa: F401
    import openai  # noqa: F401

    from core import cli

    assert threading.active_count() == 1, "a process with threads cannot be forked safely"
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(asked["stdin"].encode())
            given.seek(0)
            child = os.fork()
            if child == 0:
                _become(asked, (given, out, err), cli.main)
            _, status = os.waitpid(child, 0)
            told: dict[str, Any] = {"code": os.waitstatus_to_exitcode(status)}
            for name, file in (("stdout", out), ("stderr", err)):
                file.seek(0)
                told[name] = file.read().decode()
        print(json.dumps(told), flush=True)


def _become(asked: dict[str, Any], files: Sequence[BinaryIO], main: Any) -> None:
    """In the child: be the program, to its end."""
    for descriptor, file in enumerate(files):
        os.dup2(file.fileno(), descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["stepiq", *asked["arguments"]]
    signal.alarm(LIMIT_SECONDS)
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    _serve()
