"""JSON text into a `source` tree. The standard parser keeps no places, so this walks the text itself."""

from __future__ import annotations

import math
import re
from json import JSONDecodeError, JSONDecoder
from typing import cast

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

STRINGS = JSONDecoder()
SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
WORDS: dict[str, JsonScalar] = {"true": True, "false": False, "null": None}
MAX_DIGITS = 400


def read_json(text: str) -> Reading:
    """Read one JSON value. Raises SourceProblem at the first place that is not JSON."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.count = 0
        self.problems: list[SourceProblem] = []

    def read(self) -> Reading:
        root = self._value()
        stack = [root] if root.entries is not None or root.items is not None else []
        while stack:
            # One pass of this loop reads one member of the innermost open list or mapping.
            top = stack[-1]
            closing = "}" if top.entries is not None else "]"
            first = not (top.entries or top.items) and self.text[self.at - 1] in "{["
            self._skip_space()
            if self.text.startswith(closing, self.at):
                self.at += 1
                top.end = self.at
                stack.pop()
                continue
            if not first:
                self._expect(",", f"A comma or `{closing}` is missing here.")
                self._skip_space()
            child = self._member(top) if top.entries is not None else self._item(top)
            if child.entries is not None or child.items is not None:
                if len(stack) >= MAX_DEPTH:
                    raise too_deep(child.start)
                stack.append(child)
        self._skip_space()
        if self.at < len(self.text):
            raise SourceProblem("SYNTAX", "There is text after the end of the JSON: remove it.", self.at)
        return Reading(root, self.problems)

    def _skip_space(self) -> None:
        match = SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _expect(self, sign: str, message: str) -> None:
        if not self.text.startswith(sign, self.at):
            raise SourceProblem("SYNTAX", message, self.at)
        self.at += 1

    def _item(self, parent: Node) -> Node:
        assert parent.items is not None
        node = self._value()
        parent.items.append(node)
        return node

    def _member(self, parent: Node) -> Node:
        assert parent.entries is not None
        start = self.at
        if not self.text.startswith('"', start):
            raise SourceProblem("SYNTAX", "A key in double quotes is expected here.", start)
        key = self._string()
        end = self.at
        self._skip_space()
        self._expect(":", "A `:` is missing after the key.")
        self._skip_space()
        node = self._value()
        if key in parent.entries:
            self.problems.append(duplicate_key(self.text, key, parent.entries[key].start, start))
        else:
            parent.entries[key] = Entry(start, end, node)
        return node

    def _value(self) -> Node:
        self._skip_space()
        self.count += 1
        start = self.at
        if self.count > MAX_NODES:
            raise too_many_values(start)
        sign = self.text[start : start + 1]
        if sign in ("{", "["):
            self.at += 1
            return Node(start, start + 1, entries={}) if sign == "{" else Node(start, start + 1, items=[])
        if sign == '"':
            value: JsonScalar = self._string()
            return Node(start, self.at, value, style='"')
        for word, meaning in WORDS.items():
            if self.text.startswith(word, start):
                self.at += len(word)
                return Node(start, self.at, meaning)
        return self._number(start)

    def _number(self, start: int) -> Node:
        match = NUMBER.match(self.text, start)
        if match is None:
            raise SourceProblem(
                "SYNTAX",
                "A value is expected here: a text in double quotes, a number, true, false, null, [ or {.",
                start,
            )
        self.at = match.end()
        whole, fraction, exponent = match.groups()
        number: JsonScalar = None
        if fraction is None and exponent is None:
            number = int(whole) if len(whole) <= MAX_DIGITS else None
        else:
            number = float(match.group())
            number = number if math.isfinite(number) else None
        if number is None:
            self.problems.append(
                SourceProblem(
                    "INVALID_VALUE",
                    "This number is too large: write a smaller one or a text.",
                    start,
                )
            )
        return Node(start, self.at, number)

    def _string(self) -> str:
        try:
            value, self.at = STRINGS.raw_decode(self.text, self.at)
        except JSONDecodeError as error:
            words = "This text in quotes is not closed or holds a line break or a wrong escape"
            raise SourceProblem("SYNTAX", f"{words}: write line breaks as \\n.", error.pos) from None
        return cast(str, value)
