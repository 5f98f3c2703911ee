"""Looking through files and streams, in a process of its own.

Of its own for two reasons: a process that closes a file which SQLite has open in it loses the locks of its database
(POSIX, fcntl); and looking through gigabytes must keep nobody waiting who shares an interpreter. What to look for comes
by standard input, never in an argument, where others could read it; what is found goes out a line each, as a place.

Standard input is frames, a kind and a length before each: what to look for and in which folders, then streams of other
stores (tables, opened rows), each begun by its place and ended by a frame of its own.

This module imports nothing that is slow to load.
"""

import json
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from email import message_from_bytes
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any, BinaryIO

from core.privacy.scan.forms import WINDOW, Needles, Search

OPEN, DATA, FINISH = 1, 2, 3
FRAME = struct.Struct(">BI")
LARGEST_MAIL = 1 << 26
TELL_EVERY = 1 << 26  # bytes


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or a file of a store."""

    store: str
    path: str


def look(values: list[str], roots: list[Root], streams: BinaryIO | None = None) -> Iterator[dict[str, Any]]:
    """Every hit, and what was read; a file that is gone when its turn comes is no failure."""
    needles = Needles(values)
    read, files, told = 0, 0, 0
    unreadable: list[str] = []
    if streams is not None:
        for hit in _look_through(streams, needles):
            read += hit.pop("read", 0)
            if hit:
                yield hit
    for root in roots:
        for path in _files(Path(root.path)):
            hits: set[tuple[int, str]] = set()
            place = str(path.relative_to(root.path)) if path != Path(root.path) else path.name
            try:
                for size in _look_at(path, needles, hits):
                    read += size
                    if read - told > TELL_EVERY:
                        told = read
                        yield {"read": read}
            except FileNotFoundError:
                continue
            except OSError as error:
                unreadable.append(f"{root.store}: {place} ({error.strerror})")
                continue
            files += 1
            for number, form in sorted(hits):
                yield {"store": root.store, "place": place, "value": number, "form": form}
    yield {"done": True, "read": read, "files": files, "unreadable": unreadable[:20]}


def _look_through(streams: BinaryIO, needles: Needles) -> Iterator[dict[str, Any]]:
    place: dict[str, Any] = {}
    hits: set[tuple[int, str]] = set()
    search = Search(needles, lambda number, form: hits.add((number, form)))
    while True:
        kind, data = read_frame(streams)
        if kind == DATA:
            search.feed(data)
            yield {"read": len(data)}
            continue
        search.end()
        for number, form in sorted(hits):
            yield {**place, "value": number, "form": form}
        hits.clear()
        if kind == FINISH:
            return
        place = json.loads(data)


def read_frame(stream: BinaryIO) -> tuple[int, bytes]:
    """The next frame. Raises EOFError where it is cut."""
    head = stream.read(FRAME.size)
    if len(head) < FRAME.size:
        raise EOFError
    kind, length = FRAME.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return kind, data


def frame(kind: int, data: bytes = b"") -> bytes:
    """A frame as it is written."""
    return FRAME.pack(kind, len(data)) + data


def _look_at(path: Path, needles: Needles, hits: set[tuple[int, str]]) -> Iterator[int]:
    def note(number: int, form: str) -> None:
        hits.add((number, form))

    search = Search(needles, note)
    with path.open("rb") as file:
        while piece := file.read(WINDOW):
            search.feed(piece)
            yield len(piece)
    search.end()
    if path.suffix in (".eml", ".part") and path.stat().st_size <= LARGEST_MAIL:
        for part in _decoded_mail(path.read_bytes()):
            inner = Search(needles, lambda number, _form: note(number, "mail"))
            inner.feed(part)
            inner.end()


def _decoded_mail(data: bytes) -> Iterator[bytes]:
    message = message_from_bytes(data, policy=SMTPUTF8)
    yield "\n".join(f"{name}: {value}" for name, value in message.items()).encode(errors="replace")
    for part in message.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield content


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def ask(values: Sequence[str], roots: Sequence[Root]) -> bytes:
    """The first frame that the process reads."""
    return frame(OPEN, json.dumps({"values": list(values), "roots": [asdict(root) for root in roots]}).encode())


def main() -> None:
    _, data = read_frame(sys.stdin.buffer)
    asked = json.loads(data)
    for line in look(asked["values"], [Root(**root) for root in asked["roots"]], sys.stdin.buffer):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
