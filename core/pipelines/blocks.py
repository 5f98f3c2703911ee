"""The lines of a YAML text that belong to each step of a list, and to each field of a step.

Editing moves and replaces whole lines, so that comments, blank lines and the way things were written stay
as they were everywhere else. What is not written as one block a step (flow style, JSON) has no such lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.pipelines.dump import dump_yaml
from core.pipelines.source import Node, Path, SourceMap
from core.shared.types import JsonValue


@dataclass(slots=True)
class Blocks:
    """A text cut at the steps of a list: `head`, then each body followed by its gap. `indent`: the dashes' column."""

    head: str
    bodies: list[str]
    gaps: list[str]
    indent: int

    def text(self) -> str:
        """The text put together again."""
        return self.head + "".join(body + gap for body, gap in zip(self.bodies, self.gaps, strict=True))

    def new_gap(self) -> str:
        """The blank lines that separate steps here, for one more."""
        between = self.gaps[0] if len(self.gaps) > 1 else ""
        return between if not between.strip() else ""


def cut(places: SourceMap, path: Path = ("steps",)) -> Blocks | None:
    """Cut a text at the steps of a list; None when they are not written as a block list."""
    text, steps = places.text, places.node(path)
    if steps is None or not steps.items:
        return None
    starts: list[int] = []
    ends: list[int] = []
    indent: int | None = None
    for item in steps.items:
        line = _line_start(text, item.start)
        before = text[line : item.start]
        column = len(before) - len(before.lstrip(" "))
        if before.strip() != "-" or (indent is not None and column != indent):
            return None
        indent = column
        starts.append(_with_comments(text, line, indent))
        ends.append(content_end(text, item))
    assert indent is not None
    edges = [*starts[1:], len(text)]
    if any(start > end or end > edge for start, end, edge in zip(starts, ends, edges, strict=True)):
        return None
    bodies = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    gaps = [text[end:edge] for end, edge in zip(ends, edges, strict=True)]
    return Blocks(text[: starts[0]], bodies, gaps, indent)


def block_of(step: JsonValue, indent: int) -> str:
    """A step as the lines of a list item whose dash stands at a column."""
    lines = dump_yaml([step]).splitlines()
    return "".join(f"{' ' * indent}{line[2:]}\n" if line.strip() else "\n" for line in lines)


def with_field(places: SourceMap, path: Path, name: str, value: JsonValue) -> str | None:
    """The text with one field of the step at `path` replaced, added, or (None) removed; None when it has no lines."""
    text, step = places.text, places.node(path)
    if step is None or not step.entries or text.startswith("{", step.start):
        return None
    column = places.position(step.start)[1] - 1
    entry = step.entries.get(name)
    if entry is None:
        end = content_end(text, step)
        return text if value is None else text[:end] + _field(name, value, column) + text[end:]
    end = content_end(text, entry.node, entry.end)
    if value is None:
        line = _line_start(text, entry.start)
        return None if text[line : entry.start].strip() else text[:line] + text[end:]
    new = _field(name, value, column)
    short = _short(new, name)
    if short is not None and entry.node.scalar is not None and entry.node.style not in ("|", ">"):
        # Only the value is replaced, so that a comment behind it stays.
        return text[: entry.node.start] + short + text[entry.node.end :]
    return text[: entry.start] + new.lstrip(" ") + text[end:]


def content_end(text: str, node: Node, least: int = 0) -> int:
    """Where the lines of a node end: after the line that holds its last value."""
    end = max(_last_end(node), least)
    if end > 0 and text[end - 1 : end] == "\n":
        return end
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1


def _last_end(node: Node) -> int:
    if node.entries:
        last = list(node.entries.values())[-1]
        return max(_last_end(last.node), last.end)
    if node.items:
        return _last_end(node.items[-1])
    return node.end


def _field(name: str, value: JsonValue, column: int) -> str:
    lines = dump_yaml({name: value}).splitlines()
    return "".join(f"{' ' * column}{line}\n" if line.strip() else "\n" for line in lines)


def _short(field: str, name: str) -> str | None:
    """The value of a dumped field that takes one line."""
    if field.count("\n") != 1:
        return None
    return field.strip().removeprefix(f"{name}:").strip() or None


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _with_comments(text: str, line: int, indent: int) -> int:
    """The start of the comment lines that stand directly above, at the same column."""
    while line > 0:
        above = _line_start(text, line - 1)
        if not text[above:line].startswith(" " * indent + "#"):
            break
        line = above
    return line
