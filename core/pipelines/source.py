"""A definition's text as a tree of values that know where they stand.

Both readers (`yaml_source`, `json_source`) build this tree; everything that reports or edits a place
asks the `SourceMap`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from core.shared.types import JsonScalar, JsonValue

Path: TypeAlias = tuple[str | int, ...]
Severity = Literal["error", "warning"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_ISSUES = 100


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong, where, and what to do. Line and column count from 1; None where there is no text."""

    path: str
    line: int | None
    column: int | None
    code: str
    message: str
    severity: Severity = "error"


@dataclass(slots=True)
class Node:
    """A value and the stretch of text it was written in (`end` is exclusive)."""

    start: int
    end: int
    scalar: JsonScalar = None
    items: list[Node] | None = None
    entries: dict[str, Entry] | None = None
    style: str | None = None


@dataclass(slots=True)
class Entry:
    """A key of a mapping, where it stands, and its value."""

    start: int
    end: int
    node: Node


class SourceProblem(Exception):
    """Reading cannot go on. `offset` is where in the text."""

    def __init__(self, code: str, message: str, offset: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset


@dataclass(slots=True)
class Reading:
    """What a reader found: the tree and the problems that did not stop it."""

    root: Node | None
    problems: list[SourceProblem] = field(default_factory=list)


def too_deep(offset: int) -> SourceProblem:
    """The problem of a text nested deeper than MAX_DEPTH."""
    return SourceProblem(
        "TOO_DEEP",
        f"This is nested deeper than {MAX_DEPTH} levels: take some levels away.",
        offset,
    )


def too_many_values(offset: int) -> SourceProblem:
    """The problem of a text with more than MAX_NODES values."""
    return SourceProblem(
        "TOO_LARGE",
        f"A definition may hold {MAX_NODES:,} values: split it into smaller pipelines.",
        offset,
    )


def duplicate_key(text: str, key: str, first: int, second: int) -> SourceProblem:
    """The problem of a key written twice; `first` and `second` are offsets."""
    # Looking back is bounded so that thousands of duplicates stay cheap.
    near = first >= second - 20_000
    place = f" (first on line {text.count(chr(10), 0, first) + 1})" if near and first < 20_000 else ""
    return SourceProblem(
        "DUPLICATE_KEY",
        f"`{key}` is written twice here{place}: keep one of them.",
        second,
    )


def path_text(path: Path) -> str:
    """`("steps", 0, "prompt")` as `steps[0].prompt`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def plain_value(node: Node) -> JsonValue:
    """The tree without its places."""
    if node.entries is not None:
        return {key: plain_value(entry.node) for key, entry in node.entries.items()}
    if node.items is not None:
        return [plain_value(item) for item in node.items]
    return node.scalar


class SourceMap:
    """From a path of the definition to its place in the text. Without a text every place is None."""

    def __init__(self, text: str = "", root: Node | None = None) -> None:
        self.text = text
        self.root = root
        self._line_starts = list(_line_starts(text))

    def node(self, path: Path) -> Node | None:
        """The node at a path, or None."""
        node = self.root
        for part in path:
            if node is None:
                return None
            if isinstance(part, int):
                node = node.items[part] if node.items is not None and part < len(node.items) else None
            else:
                entry = (node.entries or {}).get(part)
                node = entry.node if entry else None
        return node

    def key(self, path: Path) -> Entry | None:
        """The key that a path ends with, or None when it ends in a list."""
        parent = self.node(path[:-1]) if path else None
        if parent is None or parent.entries is None or not isinstance(path[-1], str):
            return None
        return parent.entries.get(path[-1])

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of an offset in the text."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def locate(self, path: Path, *, key: bool = False) -> tuple[int | None, int | None]:
        """Line and column of the value at a path (or of its key), else of the nearest part that exists."""
        if self.root is None:
            return None, None
        if key and (entry := self.key(path)) is not None:
            return self.position(entry.start)
        for length in range(len(path), -1, -1):
            node = self.node(path[:length])
            if node is not None:
                return self.position(node.start)
        return self.position(self.root.start)

    def locate_within(self, path: Path, value: str, start: int, end: int) -> tuple[int | None, int | None]:
        """Line and column of `value[start:end]`, where `value` is the text at the path."""
        offset = self.offset_within(path, value, start, end)
        return self.locate(path) if offset is None else self.position(offset)

    def offset_within(self, path: Path, value: str, start: int, end: int) -> int | None:
        """Where in the source `value[start:end]` stands; None when it was written in another way.

        Block scalars, folding and quotes move characters around, so the same occurrence is searched for
        instead of counting.
        """
        node = self.node(path)
        if node is None:
            return None
        wanted = value[start:end]
        before = value.count(wanted, 0, start) if wanted else 0
        at = node.start
        for _ in range(before + 1):
            found = self.text.find(wanted, at, node.end)
            if found < 0:
                return None
            at = found + len(wanted)
        return found

    def issue(
        self,
        path: Path,
        code: str,
        message: str,
        *,
        key: bool = False,
        severity: Severity = "error",
    ) -> Issue:
        """An issue at a path."""
        line, column = self.locate(path, key=key)
        return Issue(path_text(path), line, column, code, message, severity)


def _line_starts(text: str) -> Iterator[int]:
    yield 0
    at = 0
    while (at := text.find("\n", at) + 1) > 0:
        yield at
