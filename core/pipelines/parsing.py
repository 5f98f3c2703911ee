"""A definition's text into a `Definition`, or into everything that is wrong with it, each at its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.pipelines.definition import STEP_TYPES, Definition
from core.pipelines.json_source import read_json
from core.pipelines.salvage import salvage
from core.pipelines.source import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ISSUES,
    MAX_NODES,
    Issue,
    Path,
    Reading,
    SourceMap,
    SourceProblem,
    path_text,
    plain_value,
)
from core.pipelines.structure import check_structure
from core.pipelines.yaml_source import read_yaml
from core.shared.types import JsonValue

__all__ = ["Issue", "Parsed", "Source", "parse", "read_source"]

Source = str | bytes | Mapping[str, Any]

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The definition, or None and why not.

    `data` is the plain value behind it, when it could be read. `partial` is what can be checked further
    although something is wrong: faulty fields are left out, missing ones stand in.
    """

    definition: Definition | None
    issues: tuple[Issue, ...]
    source_map: SourceMap = field(repr=False, compare=False)
    data: dict[str, JsonValue] | None = field(default=None, repr=False, compare=False)
    partial: Definition | None = field(default=None, repr=False, compare=False)


def parse(source: Source) -> Parsed:
    """Read a definition from YAML or JSON text, or from parsed JSON. Never raises for what the text holds."""
    data, issues, places = read_source(source)
    if data is None:
        return Parsed(None, tuple(_in_order(issues)), places)
    clean, misfits = check_structure(data)
    issues += [places.issue(misfit.path, misfit.code, misfit.message, key=misfit.on_key) for misfit in misfits]
    definition: Definition | None = None
    partial: Definition | None
    try:
        partial = definition = Definition.model_validate(clean)
    except ValidationError as error:
        partial = salvage(clean, error)
        issues += [_issue_of(detail, places) for detail in error.errors(include_url=False) if not _is_echo(detail)]
    issues = _in_order(issues)
    return Parsed(None if issues else definition, tuple(issues), places, data, partial)


def read_source(
    source: Source,
) -> tuple[dict[str, JsonValue] | None, list[Issue], SourceMap]:
    """The plain mapping behind a source, what is wrong with its form, and the places of its values.

    The mapping is None when the form is so broken that nothing further can be said.
    """
    if isinstance(source, Mapping):
        return _read_mapping(source)
    size = len(source) if isinstance(source, bytes) else len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        words = f"A definition may have {MAX_BYTES // 1024} KB; this one has {size / 1024:,.0f} KB. Shorten it."
        return None, [Issue("", 1, 1, "TOO_LARGE", words)], SourceMap()
    if isinstance(source, bytes):
        try:
            return _read_text(source.decode("utf-8"))
        except UnicodeDecodeError as error:
            line = source.count(b"\n", 0, error.start) + 1
            column = error.start - source.rfind(b"\n", 0, error.start)
            words = "This is not UTF-8 text: save the file as UTF-8."
            return None, [Issue("", line, column, "NOT_UTF8", words)], SourceMap()
    return _read_text(source)


def _read_text(text: str) -> tuple[dict[str, JsonValue] | None, list[Issue], SourceMap]:
    text = text.removeprefix("\ufeff")
    places = SourceMap(text)

    def issue(problem: SourceProblem) -> Issue:
        return Issue("", *places.position(problem.offset), problem.code, problem.message)

    control = CONTROL.search(text)
    if control is not None:
        return (
            None,
            [_control_issue(control.group(), *places.position(control.start()))],
            places,
        )
    try:
        reading = _read_tree(text)
    except SourceProblem as problem:
        return None, [issue(problem)], places
    issues = [issue(problem) for problem in reading.problems[:MAX_ISSUES]]
    if reading.root is None:
        empty = Issue(
            "",
            1,
            1,
            "EMPTY",
            "The definition is empty: it needs at least `name` and `steps`.",
        )
        return None, issues or [empty], places
    places.root = reading.root
    value = plain_value(reading.root)
    if not isinstance(value, dict):
        if value is None and not issues:
            return (
                None,
                [
                    Issue(
                        "",
                        1,
                        1,
                        "EMPTY",
                        "The definition is empty: write `name` and `steps`.",
                    )
                ],
                places,
            )
        words = "A definition is a mapping: begin with `name: ...` and `steps:`."
        issues.append(Issue("", *places.position(reading.root.start), "NOT_A_MAPPING", words))
        return None, issues, places
    hidden = [
        _control_issue(sign, *places.locate(path), path_text(path)) for path, sign in _control_characters(value, ())
    ]
    if any(problem.code == "SYNTAX" for problem in reading.problems):
        return None, issues, places
    return value, issues + hidden, places


def _read_tree(text: str) -> Reading:
    """Read as JSON where it is JSON, else as YAML (which also allows `{name: x}`)."""
    if not text.lstrip().startswith("{"):
        return read_yaml(text)
    try:
        return read_json(text)
    except SourceProblem as problem:
        if problem.code != "SYNTAX":
            raise
        reading = read_yaml(text)
        meant_json = re.match(r"\s*\{\s*[\"}]", text) is not None
        if meant_json and any(found.code == "SYNTAX" for found in reading.problems):
            raise problem from None
        return reading


def _read_mapping(
    source: Mapping[str, Any],
) -> tuple[dict[str, JsonValue] | None, list[Issue], SourceMap]:
    """Parsed JSON: the same limits, but no places."""
    places = SourceMap()
    stack: list[tuple[Any, int]] = [(source, 1)]
    count = 0
    while stack:
        value, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH and isinstance(value, (Mapping, list)):
            words = f"This is nested deeper than {MAX_DEPTH} levels: take some levels away."
            return None, [Issue("", None, None, "TOO_DEEP", words)], places
        if count > MAX_NODES:
            return (
                None,
                [
                    Issue(
                        "",
                        None,
                        None,
                        "TOO_LARGE",
                        f"A definition may hold {MAX_NODES:,} values.",
                    )
                ],
                places,
            )
        children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
        stack.extend((child, depth + 1) for child in children)
    try:
        text = json.dumps(source, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return (
            None,
            [
                Issue(
                    "",
                    None,
                    None,
                    "NOT_JSON",
                    "A definition may hold only what JSON can.",
                )
            ],
            places,
        )
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        words = f"A definition may have {MAX_BYTES // 1024} KB: shorten it."
        return None, [Issue("", None, None, "TOO_LARGE", words)], places
    data = cast(dict[str, JsonValue], json.loads(text))
    hidden = [_control_issue(sign, None, None, path_text(path)) for path, sign in _control_characters(data, ())]
    return data, hidden, places


def _control_characters(value: JsonValue, path: Path) -> Iterable[tuple[Path, str]]:
    """Control characters that were written as escapes, in texts and in keys."""
    if isinstance(value, str):
        found = CONTROL.search(value)
        if found:
            yield path, found.group()
    elif isinstance(value, dict):
        for key, inner in value.items():
            found = CONTROL.search(key)
            if found:
                yield path, found.group()
            yield from _control_characters(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _control_characters(inner, (*path, index))


def _control_issue(sign: str, line: int | None, column: int | None, path: str = "") -> Issue:
    words = f"The control character U+{ord(sign):04X} cannot be part of a definition: delete it."
    return Issue(path, line, column, "CONTROL_CHARACTER", words)


def _in_order(issues: list[Issue]) -> list[Issue]:
    """By place, each once."""
    ordered = sorted(issues, key=lambda issue: (issue.line or 0, issue.column or 0))
    return list(dict.fromkeys(ordered))[:MAX_ISSUES]


def _is_echo(detail: ErrorDetails) -> bool:
    """Whether a list is only called too short because its entries are wrong, which is said already."""
    return detail["type"] == "too_short" and isinstance(detail["input"], list) and len(detail["input"]) > 0


def _issue_of(detail: ErrorDetails, places: SourceMap) -> Issue:
    """A finding of the typed model in plain words."""
    loc = list(detail["loc"])
    on_key = "[key]" in loc
    path = tuple(part for index, part in enumerate(loc) if not _is_tag(loc, index) and part != "[key]")
    if _in_union(loc):
        given = _shown(detail["input"])
        message = f"`{path[-1]}` must be a text, a number, true or false, not {given}."
        return places.issue(path, "WRONG_TYPE", message)
    code, message = _explain(detail, path, on_key)
    return places.issue(path, code, message, key=on_key)


def _is_tag(loc: list[str | int], index: int) -> bool:
    """Whether this part of the location is the step type that pydantic adds, or the branch of a union."""
    if index >= 2 and loc[index - 2] == "steps" and isinstance(loc[index - 1], int):
        return loc[index] in STEP_TYPES
    return index == len(loc) - 1 and _in_union(loc)


def _in_union(loc: list[str | int]) -> bool:
    """Whether pydantic says one thing for each of the types that a scalar may have."""
    if len(loc) < 3 or loc[-1] not in ("str", "bool", "int", "float", "none"):
        return False
    return (loc[0] == "variables" and len(loc) == 3) or loc[-2] in ("group", "default") or loc[-3] == "enum"


def _explain(detail: ErrorDetails, path: Path, on_key: bool) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    last = path[-1] if path else "It"
    name = f"`{last}`" if isinstance(last, str) else f"Item {last + 1}"
    if on_key:
        words = "Names hold letters, digits, `_` and `-`, and do not begin with a digit."
        return "INVALID_NAME", f"{name} cannot be a name. {words}"
    if kind == "missing":
        where = "this step" if path[-3:-2] == ("steps",) else "the definition"
        return "MISSING_FIELD", f"{name} is missing: add it to {where}."
    if kind in WANTED:
        given = _shown(detail["input"])
        hint = " Put it in quotes." if kind == "string_type" and not isinstance(detail["input"], dict | list) else ""
        if kind == "string_type" and detail["input"] is None:
            return "WRONG_TYPE", f"{name} is empty: write a text, or remove the line."
        return "WRONG_TYPE", f"{name} must be {WANTED[kind]}, not {given}.{hint}"
    if kind == "string_pattern_mismatch":
        return (
            "INVALID_ID",
            f"{_shown(detail['input'])} cannot be an id: use a-z, 0-9 and `_`.",
        )
    if kind == "literal_error":
        return (
            "INVALID_VALUE",
            f"{name} must be {context.get('expected')}, not {_shown(detail['input'])}.",
        )
    if kind in ("greater_than_equal", "less_than_equal"):
        limit = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return "OUT_OF_RANGE", f"{name} must be {limit}, not {_shown(detail['input'])}."
    if kind in ("string_too_short", "too_short"):
        return (
            "EMPTY_VALUE",
            f"{name} is empty: it needs at least {context.get('min_length', 1)}.",
        )
    if kind in ("string_too_long", "too_long"):
        unit = "characters" if kind == "string_too_long" else "entries"
        return (
            "TOO_LONG",
            f"{name} may have {context['max_length']:,} {unit}: shorten it.",
        )
    if kind in ("conflict", "one_of", "no_source", "no_effect", "no_scheme", "taken"):
        return kind.upper(), detail["msg"]
    return "INVALID_VALUE", f"{name}: {detail['msg']}."


WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
    "tuple_type": "a list (lines that begin with `- `)",
    "none_required": "a text, a number, true, false or null",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
