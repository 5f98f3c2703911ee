"""What a run is given, checked against `input.schema`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from core.pipelines.definition import Definition, InputField, InputType
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

KINDS: dict[InputType, str] = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
MAX_DEPTH = 32
NUL = "\0"  # PostgreSQL's text cannot hold it, vendors refuse it, and no page shows it
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def check_input(definition: Definition, data: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The input of a run: defaults filled in, declared inputs that were not given null, others kept.

    Raises InvalidInput INVALID_INPUT with everything that is wrong in `details`.
    """
    if not isinstance(data, Mapping):
        raise _invalid([_detail("", "NOT_A_MAPPING", "The input must be a JSON object.")])
    checked: dict[str, JsonValue] = dict(data)
    problems = [found for name, value in data.items() if (found := _unkeepable(name, value))]
    for name, field in definition.input.fields.items():
        value = data.get(name)
        if value is None:
            value = field.default
        if value is None:
            if field.required:
                problems.append(_detail(name, "MISSING_INPUT", f"`{name}` is required: {KINDS[field.type]}."))
            checked[name] = None
            continue
        problem = value_problem(field, value)
        if problem is None:
            checked[name] = int(value) if field.type == "integer" else value
        else:
            problems.append(_detail(name, "INVALID_INPUT", f"`{name}` {problem}"))
    if problems:
        raise _invalid(problems)
    return checked


def _unkeepable(name: str, value: JsonValue) -> dict[str, str] | None:
    """What is wrong with a value whatever was declared: a NUL character, or nesting that nothing can show."""
    if NUL in name:
        return _detail("", "NUL_CHARACTER", "The name of an input holds a NUL character: take it out.")
    level: list[JsonValue] = [value]
    depth = 0
    while level:
        if any(NUL in text for each in level for text in _texts_of(each)):
            return _detail(name, "NUL_CHARACTER", f"`{name}` holds a NUL character (U+0000): take it out.")
        level = [inner for each in level for inner in _inside(each)]
        depth += 1
        if depth > MAX_DEPTH and level:
            message = f"`{name}` is nested deeper than {MAX_DEPTH} levels: take some levels away."
            return _detail(name, "TOO_DEEP", message)
    return None


def _texts_of(value: JsonValue) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, dict) else ()


def _inside(value: JsonValue) -> Iterable[JsonValue]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def coerce_input(definition: Definition, data: Mapping[str, str]) -> dict[str, JsonValue]:
    """Texts, as a command line gives them, into the declared types; only what was given is returned.

    Raises InvalidInput INVALID_INPUT with everything that is wrong in `details`.
    """
    coerced: dict[str, JsonValue] = {}
    problems: list[dict[str, str]] = []
    for name, text in data.items():
        field = definition.input.fields.get(name)
        if field is None:
            problems.append(_detail(name, "UNKNOWN_INPUT", _unknown(name, definition)))
            continue
        try:
            coerced[name] = READERS[field.type](text)
        except ValueError:
            problems.append(_detail(name, "INVALID_INPUT", f"`{name}` must be {KINDS[field.type]}."))
    if problems:
        raise _invalid(problems)
    return coerced


def value_problem(field: InputField, value: JsonValue) -> str | None:
    """Why a value does not fit an input, as the rest of a sentence about it; None when it fits."""
    if not has_type(field.type, value):
        return f"must be {KINDS[field.type]}."
    if field.enum is not None and not any(_same(value, allowed) for allowed in field.enum):
        return f"must be one of {', '.join(map(str, field.enum))[:300]}."
    return None


def has_type(kind: InputType, value: JsonValue) -> bool:
    """Whether a JSON value is of a declared type. True is never a number; 5.0 is a whole one."""
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return kind == "number" or value == int(value)


def _same(value: JsonValue, allowed: JsonValue) -> bool:
    return value == allowed and isinstance(value, bool) == isinstance(allowed, bool)


def _unknown(name: str, definition: Definition) -> str:
    known = list(definition.input.fields)
    close = get_close_matches(name, known, n=1)
    if close:
        return f"There is no input `{name}`. Did you mean `{close[0]}`?"
    return f"There is no input `{name}`. " + (f"There are: {', '.join(known)}." if known else "There are none.")


def _detail(name: str, code: str, message: str) -> dict[str, str]:
    return {"path": f"input.{name}" if name else "input", "code": code, "message": message}


def _invalid(problems: list[dict[str, str]]) -> InvalidInput:
    message = " ".join(problem["message"] for problem in problems[:5])
    return InvalidInput("INVALID_INPUT", message, details=problems)


def _integer(text: str) -> int:
    if not re.fullmatch(r"\s*[-+]?[0-9]{1,400}\s*", text):
        raise ValueError
    return int(text)


def _number(text: str) -> int | float:
    try:
        return _integer(text)
    except ValueError:
        number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE + FALSE:
        raise ValueError
    return word in TRUE


READERS: dict[InputType, Callable[[str], JsonValue]] = {
    "string": str,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}


def declared_problems(name: str, field: InputField) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong in the declaration of an input: where in it, and what to do."""
    for index, allowed in enumerate(field.enum or ()):
        if not has_type(field.type, allowed):
            yield ("enum", index), f"`{name}` is {KINDS[field.type]}, so this choice must be one too."
    if field.default is not None:
        problem = value_problem(field, field.default)
        if problem is not None:
            yield ("default",), f"The default of `{name}` {problem}"
