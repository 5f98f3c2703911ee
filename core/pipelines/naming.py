"""Where a definition names its steps, and the same text with steps called otherwise.

References in templates, conditions, code and queries, `needs`, jumps, and the ids themselves. A name is changed
only where it can mean nothing else: not in a string of a program, not where a query may mean a column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.pipelines.definition import STEP_TYPES
from core.pipelines.graph import NAMED_IN_CODE
from core.pipelines.kinds.base import Written
from core.pipelines.references import find_references, parse_reference
from core.pipelines.source import Path, SourceMap
from core.pipelines.targets import Target
from core.shared.types import JsonValue

Data = dict[str, Any]

INNER = {"id": "inner", "prompt": "-"}
"""Stands for the steps inside a step while the step itself is looked at."""

_QUOTED = (
    r"(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
)
_STRING = rf"(?<!\w)(?:[rRbBuU]{{1,2}})?{_QUOTED}"
# A formatted string holds code of its own, so it is read as well.
_FORMATTED = rf"(?<!\w)(?:[fF][rR]?|[rR][fF]){_QUOTED}|`(?:\\.|[^`\\])*`"
_NAMED = rf"(?<![.\w]){NAMED_IN_CODE.pattern}"
_COMMENTS = {"python": r"\#[^\n]*", "javascript": r"//[^\n]*|/\*.*?\*/"}
_FROM = re.compile(
    r"\b(?:from|join)\b(?P<tables>.*?)"
    r"(?=\b(?:where|group|order|having|limit|union|intersect|except|join|inner|left|right|full|cross|on|using|window"
    r"|qualify)\b|[();]|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SQL_PASSED_OVER = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of a field's text that names a step. `start` and `end` are the name's, within `outer`."""

    start: int
    end: int
    name: str
    outer: tuple[int, int]


def places_of_steps(data: Data) -> Iterator[tuple[Path, Data]]:
    """Every step of plain values with its path, those inside others included."""
    yield from _steps_in(data.get("steps"), ("steps",))


def _steps_in(steps: Any, path: Path) -> Iterator[tuple[Path, Data]]:
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, dict):
            yield (*path, index), step
            yield from _steps_in(step.get("steps"), (*path, index, "steps"))


def with_names(
    data: Data, places: SourceMap, names: dict[str, str], keep: Sequence[str], *, ids: bool
) -> list[tuple[int, int, str]]:
    """Call steps otherwise in `data`; returns the stretches of the text to replace, where they can be told.

    `ids` False changes only what templates read: `steps.1` has no other place. Names in `keep` stay.
    """
    renamed = {old: new for old, new in names.items() if old not in keep}
    spans: list[tuple[int, int, str]] = []
    for path, written, language in _written(data):
        if not ids and written.reading in ("cel", "code", "sql"):
            continue
        found = [mention for mention in _mentions(written, language) if mention.name in renamed]
        new = written.text
        for mention in reversed(found):
            new = new[: mention.start] + renamed[mention.name] + new[mention.end :]
            spans += _span(places, path, written.text, mention, renamed[mention.name])
        if found:
            put(data, path, new)
    if ids:
        for path, name in list(_plain_names(data)):
            if name in renamed:
                put(data, path, renamed[name])
                spans += _word_span(places, path, name, renamed[name])
    return spans


def rename_inside(step: Data, names: dict[str, str]) -> None:
    """Call steps otherwise within one step that was copied: its own id, those inside it, and what names them."""
    with_names({"steps": [step]}, SourceMap(), names, (), ids=True)


def put(data: Any, path: Path, value: JsonValue) -> None:
    """Set the value at a path that exists."""
    parent = data
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value


def value_at(data: Any, path: Path) -> Any:
    """The value at a path, None where there is none."""
    for part in path:
        inside = isinstance(data, list) and part < len(data) if isinstance(part, int) else isinstance(data, dict)
        data = (data[part] if isinstance(part, int) else data.get(part)) if inside else None
    return data


def _written(data: Data) -> Iterator[tuple[Path, Written, str]]:
    """Every field that reads values, with its whole path and the language of its code."""
    for path, step in places_of_steps(data):
        for written in _fields_of(step):
            if value_at(step, written.path) == written.text:
                yield (*path, *written.path), written, str(step.get("language") or "")
    output = data.get("output")
    if isinstance(output, dict) and isinstance(output.get("from"), str):
        yield ("output", "from"), Written(("from",), output["from"], "reference"), ""
    for path, target in _targets(data):
        for written in _own_or_braced(Target, target):
            yield (*path, *written.path), written, ""


def _fields_of(step: Data) -> list[Written]:
    kind = STEP_TYPES.get(str(step.get("type", "llm")))
    if kind is None:
        return list(_braced(step, ()))
    own = {name: value for name, value in step.items() if name != "steps"}
    if "steps" in kind.model_fields:
        own["steps"] = [INNER]
    return list(_own_or_braced(kind, own))


def _own_or_braced(kind: Any, values: Data) -> Iterator[Written]:
    """The fields as the kind names them; of what has a mistake in it, every text with braces."""
    try:
        yield from kind.model_validate(values).written()
    except ValidationError:
        yield from _braced(values, ())


def _braced(value: Any, path: Path) -> Iterator[Written]:
    if isinstance(value, str) and "{{" in value:
        yield Written(path, value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name != "steps":
                yield from _braced(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _braced(inner, (*path, index))


def _targets(data: Data) -> Iterator[tuple[Path, Data]]:
    for path in (("output", "deliver"), ("notifications", "on_success"), ("notifications", "on_failure")):
        targets = value_at(data, path)
        for index, target in enumerate(targets if isinstance(targets, list) else []):
            if isinstance(target, dict):
                yield (*path, index), target


def _plain_names(data: Data) -> Iterator[tuple[Path, str]]:
    """Where a step is named by nothing but its id: the id itself, `needs`, and jumps."""
    for path, step in places_of_steps(data):
        found: list[tuple[Path, Any]] = [(("id",), step.get("id"))]
        found += [((name,), step.get(name)) for name in ("then", "else") if step.get("type") == "condition"]
        needs, rules = step.get("needs"), step.get("on_condition")
        found += [(("needs", at), name) for at, name in enumerate(needs if isinstance(needs, list) else [])]
        for at, rule in enumerate(rules if isinstance(rules, list) else []):
            if isinstance(rule, dict):
                found.append((("on_condition", at, "goto"), rule.get("goto")))
        yield from (((*path, *inner), name) for inner, name in found if isinstance(name, str))


def _mentions(written: Written, language: str) -> list[Mention]:
    if written.reading in ("cel", "code"):
        # Conditions are written like JavaScript, as far as strings and comments go.
        return list(_in_code(written.text, language if written.reading == "code" else "javascript"))
    readers = {"sql": _in_query, "reference": _in_reference}
    return list(readers.get(written.reading, _in_template)(written.text))


def _in_template(text: str) -> Iterator[Mention]:
    for reference in find_references(text):
        if reference.step is not None:
            start, end = reference.spans[0]
            yield Mention(start, end, reference.step, (reference.start, reference.end))


def _in_reference(text: str) -> Iterator[Mention]:
    """A reference with or without braces, or a step's bare id."""
    if "{{" in text:
        yield from _in_template(text)
        return
    bare = text.strip()
    offset = text.find(bare)
    reference = parse_reference(bare)
    if reference is None:
        yield Mention(offset, offset + len(bare), bare, (offset, offset + len(bare)))
    elif reference.step is not None:
        start, end = reference.spans[0]
        yield Mention(offset + start, offset + end, reference.step, (offset, offset + len(bare)))


def _in_code(text: str, language: str) -> Iterator[Mention]:
    passed_over = f"{_STRING}|{_COMMENTS[language]}" if language in _COMMENTS else _STRING
    pattern = re.compile(f"(?P<named>{_NAMED})|(?P<formatted>{_FORMATTED})|{passed_over}", re.DOTALL)
    for match in pattern.finditer(text):
        if match["named"] is not None or match["formatted"] is not None:
            yield from _named(text, *match.span())


def _named(text: str, start: int, end: int) -> Iterator[Mention]:
    for match in re.compile(_NAMED).finditer(text, start, end):
        group = 1 if match[1] is not None else 2
        yield Mention(*match.span(group), match[group], match.span())


def _in_query(text: str) -> Iterator[Mention]:
    """Tables after `from` and `join`, and what is qualified by one; nothing of a name that is given otherwise too."""
    bare = _SQL_PASSED_OVER.sub(lambda match: " " * len(match.group()), text)
    tables: list[Mention] = []
    taken = set(re.findall(r'\bas\s+"?(\w+)"?', bare, re.IGNORECASE))
    taken |= set(re.findall(r'(?:\bwith|,)\s+"?(\w+)"?\s+as\s*\(', bare, re.IGNORECASE))
    for match in _FROM.finditer(bare):
        at = match.start("tables")
        for item in match["tables"].split(","):
            found = re.match(r'\s*("?)(\w+)\1(?:\s+"?(\w+)"?)?', item)
            if found is not None:
                span = (at + found.start(2), at + found.end(2))
                tables.append(Mention(*span, found[2], span))
                taken |= {found[3]} if found[3] else set()
            at += len(item) + 1
    names = {mention.name for mention in tables} - taken
    seen = {mention.start: mention for mention in tables if mention.name in names}
    for match in re.finditer(r'(?<![.\w])"?(\w+)"?\s*\.', bare):
        if match[1] in names:
            seen.setdefault(match.start(1), Mention(*match.span(1), match[1], match.span()))
    yield from (seen[start] for start in sorted(seen))


def _span(places: SourceMap, path: Path, text: str, mention: Mention, new: str) -> list[tuple[int, int, str]]:
    """Where in the source one mention stands; empty when it was written in another way."""
    offset = places.offset_within(path, text, *mention.outer)
    if offset is None:
        return []
    start = offset + mention.start - mention.outer[0]
    return [(start, start + len(mention.name), new)]


def _word_span(places: SourceMap, path: Path, word: str, new: str) -> list[tuple[int, int, str]]:
    node = places.node(path)
    at = places.text.find(word, node.start, node.end) if node is not None else -1
    return [] if at < 0 else [(at, at + len(word), new)]
