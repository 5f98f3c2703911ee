"""Inspecting contents in a process of their own.

Readers of PDFs, pictures and Parquet are large, and what is handed to them is written by anybody. So they run
in a child without the environment's secrets, with limits on memory, time and files that the kernel keeps; the
content goes through pipes and never to the disk. The child answers a line of JSON, then the derived bytes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore

from core.platform.files.domain import KINDS, Inspection
from core.platform.files.errors import too_complex
from core.shared.errors import AppError, InvalidInput, LimitExceeded

SECONDS = 30
MEMORY = 2 * 1024**3  # address space, most of which the libraries only reserve
AT_ONCE = 2
ROOT = Path(__file__).parents[3]
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from core.platform.files.inspection import main; main()"

_running = BoundedSemaphore(AT_ONCE)


def inspect_apart(content: bytes, name: str, declared: str) -> Inspection:
    """Tell what a content is; see `inspect_content`. Waits its turn: two run at once in a process.

    Raises InvalidInput, FILE_TOO_COMPLEX among others where the limits of the child were reached.
    """
    asked = json.dumps({"name": name, "declared": declared}).encode() + b"\n"
    with _running:
        child = subprocess.Popen(  # noqa: S603  (our own interpreter and program)
            [sys.executable, "-I", "-X", "utf8", "-c", _PROGRAM, str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what libraries say there quotes the content
            env={},
            close_fds=True,
        )
        with child:
            try:
                answer, _ = child.communicate(asked + content, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise too_complex() from None
            finally:
                if child.poll() is None:
                    child.kill()
    if child.returncode != 0:
        raise too_complex()
    head, _, derived = answer.partition(b"\n")
    return _read(json.loads(head), derived)


def _read(head: dict[str, object], derived: bytes) -> Inspection:
    match head:
        case {"code": str(code), "message": str(message)}:
            raise InvalidInput(code, message, field="file")
        case {"kind": kind, "media_type": str(media_type), "facts": dict(facts), "derived": bool(has_derived)}:
            known = next(name for name in KINDS if name == kind)
            return Inspection(known, media_type, facts, derived if has_derived else None)
    raise too_complex()


def main() -> None:
    """The child: inspect what comes in at stdin."""
    _limit()
    from core.platform.files.contents import inspect_content

    asked = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    derived: bytes | None = None
    try:
        found = inspect_content(content, asked["name"], asked["declared"])
        derived = found.derived
        head: dict[str, object] = {
            "kind": found.kind,
            "media_type": found.media_type,
            "facts": dict(found.facts),
            "derived": derived is not None,
        }
    except (InvalidInput, LimitExceeded) as error:
        head = {"code": error.code, "message": error.message}
    except MemoryError:
        head = _refusal(too_complex())
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + (derived or b""))
    sys.stdout.buffer.flush()


def _refusal(error: AppError) -> dict[str, object]:
    return {"code": error.code, "message": error.message}


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),  # nothing of the content reaches the disk, whatever a library tries
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
