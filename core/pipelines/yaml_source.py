"""YAML 1.2 text into a `source` tree, over ruamel.yaml's event stream.

Events instead of ruamel's own composer: anchors, tags and depth are refused before anything is built,
duplicate keys keep their place, and plain scalars follow the YAML 1.2 core schema (`on`, `yes` and dates
stay text).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from core.pipelines.source import (
    MAX_DEPTH,
    MAX_NODES,
    Entry,
    Node,
    Reading,
    SourceProblem,
    duplicate_key,
    too_deep,
    too_many_values,
)
from core.shared.types import JsonScalar

NULL = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"true", "True", "TRUE"})
FALSE = frozenset({"false", "False", "FALSE"})
INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MAX_DIGITS = 400

QUOTE_TEMPLATE = 'A value that begins with {{ must be in quotes, or YAML reads it as a mapping: "{{input.x}}".'


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read yet."""

    node: Node
    key: Entry | None = None
    skip_value: bool = False


def read_yaml(text: str) -> Reading:
    """Read one YAML document. Raises SourceProblem where reading cannot go on."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[SourceProblem] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.count = 0

    def read(self) -> Reading:
        documents = 0
        try:
            for event in YAML(typ="safe", pure=True).parse(self.text):
                if isinstance(event, DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        raise SourceProblem(
                            "MULTIPLE_DOCUMENTS",
                            "A second document begins here (`---`): put each pipeline in its own file.",
                            event.start_mark.index,
                        )
                else:
                    self._take(event)
        except MarkedYAMLError as error:
            self.problems.append(_explain(error, self.text))
            return Reading(None, self.problems)
        except (
            YAMLError,
            ValueError,
            TypeError,
            AttributeError,
            LookupError,
            ArithmeticError,
        ) as error:
            # ruamel raises plain exceptions on some broken escapes and directives; they carry no mark.
            self.problems.append(SourceProblem("SYNTAX", f"This is not readable as YAML: {_first_line(error)}.", 0))
            return Reading(None, self.problems)
        return Reading(self.root, self.problems)

    def _take(self, event: Any) -> None:
        if isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            closed = self.stack.pop()
            closed.node.end = event.end_mark.index
            return
        if not isinstance(event, (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent)):
            return
        start, end = event.start_mark.index, event.end_mark.index
        self.count += 1
        if self.count > MAX_NODES:
            raise too_many_values(start)
        self._refuse_extras(event, start)
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            if len(self.stack) >= MAX_DEPTH:
                raise too_deep(start)
            node = Node(start, end)
            if isinstance(event, MappingStartEvent):
                node.entries = {}
            else:
                node.items = []
            self._place(node, is_key_text=None)
            self.stack.append(_Open(node))
        elif isinstance(event, ScalarEvent):
            self._place(
                Node(start, end, self._scalar(event, start), style=event.style),
                is_key_text=event.value,
            )
        else:
            self._place(Node(start, end), is_key_text="*")

    def _refuse_extras(self, event: Any, start: int) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, AliasEvent) else "&"
            self.problems.append(
                SourceProblem(
                    "ALIAS",
                    f"Anchors and aliases are not part of the format (`{sign}{event.anchor}`): "
                    "write the value out, or put it in quotes if it is meant as text.",
                    start,
                )
            )
        if not isinstance(event, AliasEvent) and event.tag is not None:
            self.problems.append(
                SourceProblem(
                    "TAG",
                    f"YAML tags are not part of the format (`{event.tag}`): remove it, or put the text in quotes.",
                    start,
                )
            )

    def _place(self, node: Node, *, is_key_text: str | None) -> None:
        """Put a node where the reader stands: the root, the next item, the next key or its value."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if top.node.items is not None:
            top.node.items.append(node)
            return
        entries = top.node.entries
        assert entries is not None
        if top.key is not None:
            top.key.node = node
            top.key = None
        elif top.skip_value:
            top.skip_value = False
        elif is_key_text is None:
            self._refuse_key(node)
            top.skip_value = True
        elif is_key_text in entries:
            self.problems.append(duplicate_key(self.text, is_key_text, entries[is_key_text].start, node.start))
            top.skip_value = True
        else:
            top.key = entries[is_key_text] = Entry(node.start, node.end, Node(node.end, node.end))

    def _refuse_key(self, node: Node) -> None:
        if self.text.startswith("{", node.start) and self.text[: node.start].rstrip().endswith("{"):
            opening = self.text.rindex("{", 0, node.start)
            self.problems.append(SourceProblem("SYNTAX", QUOTE_TEMPLATE, opening))
        else:
            self.problems.append(
                SourceProblem(
                    "SYNTAX",
                    "A key must be a single word or a quoted text.",
                    node.start,
                )
            )

    def _scalar(self, event: ScalarEvent, start: int) -> JsonScalar:
        value: str = event.value
        if not event.implicit[0]:
            return value
        if value in NULL:
            return None
        if value in TRUE:
            return True
        if value in FALSE:
            return False
        if INTEGER.fullmatch(value):
            return int(value) if len(value) <= MAX_DIGITS else self._not_a_number(value, start)
        if BASED.fullmatch(value):
            return int(value, 0) if len(value) <= MAX_DIGITS else self._not_a_number(value, start)
        if FLOAT.fullmatch(value):
            number = float(value)
            return number if math.isfinite(number) else self._not_a_number(value, start)
        if NOT_FINITE.fullmatch(value):
            return self._not_a_number(value, start)
        return value

    def _not_a_number(self, value: str, start: int) -> JsonScalar:
        self.problems.append(
            SourceProblem(
                "INVALID_VALUE",
                f"`{value[:20]}` is not a number that JSON can hold: write another, or put it in quotes.",
                start,
            )
        )
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _explain(error: MarkedYAMLError, text: str) -> SourceProblem:
    """ruamel's words into what to do about it."""
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(text)) if mark is not None else 0
    problem = str(error.problem or error.context or "it cannot be read")
    line = text[text.rfind("\n", 0, at) + 1 : at + 1]
    if re.search(r"(:|-)\s+\{\{", text[text.rfind("\n", 0, at) + 1 :].split("\n", 1)[0]):
        opening = text.find("{{", text.rfind("\n", 0, at) + 1)
        return SourceProblem("SYNTAX", QUOTE_TEMPLATE, opening)
    context = error.context_mark
    opened = f" that begins on line {context.line + 1}" if context is not None else ""
    if "\t" in problem or "\\t" in problem or (line.strip() == "" and "\t" in line):
        words = "Tabs cannot indent YAML: use spaces."
    elif problem.startswith("mapping values are not allowed"):
        words = "A second `:` is not expected here. Put the value in quotes, or write it as a block (`key: |`)."
    elif problem.startswith("could not find expected ':'"):
        words = "This line has no `key: value` form. Is a colon missing, or should it be indented as text?"
    elif problem.startswith("found unexpected end of stream") or "while scanning a quoted scalar" in str(error.context):
        words = f"The quoted text{opened} is never closed: add the missing quote."
        at = context.index if context is not None else at
    elif problem.startswith("expected the node content, but found '<stream end>'"):
        words = "The text ends in the middle of a value: a closing bracket or brace is missing."
    elif problem.startswith("expected <block end>"):
        words = "This line does not fit the lines above: check its indentation and quotes."
    elif problem.startswith("expected ',' or"):
        words = f"The list or mapping{opened} is not closed or misses a comma."
    elif problem.startswith(("found unknown escape character", "expected escape sequence")):
        words = "This escape in double quotes does not exist: write \\\\ for a backslash, or use single quotes."
    elif "cannot start any token" in problem:
        words = "A value cannot begin with this character: put it in quotes."
    else:
        words = f"This is not readable as YAML: {problem}."
    return SourceProblem("SYNTAX", words, at)
