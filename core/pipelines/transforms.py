"""`transform` steps: reshaping values without a model."""

from __future__ import annotations

from functools import lru_cache

import jmespath
from jmespath.exceptions import ArityError, JMESPathError, JMESPathTypeError, UnknownFunctionError
from jmespath.parser import ParsedResult

from core.pipelines.definition import RegexRule, TransformStep
from core.pipelines.outputs import OutputMismatch, bounded, read_json
from core.pipelines.patterns import search
from core.pipelines.templates import Scope, print_value, render, resolve_value
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue


def run_transform(step: TransformStep, scope: Scope) -> JsonValue:
    """The output of a `transform` step. It may take a second (a regular expression): not for an event loop.

    Raises InvalidInput: MISSING_REFERENCE and the others of templates, EXTRACT_FAILED, REGEX_TIMEOUT,
    NOT_JSON, OUTPUT_TOO_LARGE.
    """
    if step.text_template is not None:
        result: JsonValue = render(step.text_template, scope)
    elif step.extract is not None:
        result = extract_value(step.extract, resolve_value(step.source, scope))
    else:
        assert step.regex is not None
        result = _match(step.regex, resolve_value(step.source, scope))
    return _formatted(result, step)


def expression_problem(expression: str) -> str | None:
    """What is wrong with a JMESPath expression, or None."""
    try:
        _compiled(expression)
    except (JMESPathError, RecursionError, ValueError) as error:
        place = getattr(error, "lex_position", None)
        where = f" at character {place + 1}" if isinstance(place, int) and place >= 0 else ""
        return f"This is not a JMESPath expression{where}. An example: `items[?price > `10`].name`."
    return None


@lru_cache(maxsize=256)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def extract_value(expression: str, value: JsonValue) -> JsonValue:
    """What a JMESPath expression takes out of a value. Raises InvalidInput NOT_JSON, EXTRACT_FAILED."""
    if isinstance(value, str):
        try:
            value = read_json(value)
        except OutputMismatch:
            raise InvalidInput(
                "NOT_JSON", "`extract` reads JSON, but `from` is a text that is not JSON: use `regex`."
            ) from None
    try:
        result: JsonValue = _compiled(expression).search(value)
    except (JMESPathError, RecursionError, ValueError, TypeError) as error:
        raise InvalidInput("EXTRACT_FAILED", _failed(error)) from None
    bounded(result)
    return result


def _failed(error: Exception) -> str:
    if isinstance(error, JMESPathTypeError):
        wanted = ", ".join(map(str, error.expected_types))
        return f"`extract`: {error.function_name}() was given {error.actual_type}; it takes {wanted}."
    if isinstance(error, UnknownFunctionError | ArityError):
        return f"`extract`: {error}."
    return "`extract` could not be applied to this value: check the expression."


def _match(rule: RegexRule, value: JsonValue) -> JsonValue:
    if value is None:
        return None
    try:
        found = search(rule.pattern, print_value(value))
    except TimeoutError:
        raise InvalidInput(
            "REGEX_TIMEOUT", "The regular expression took longer than a second: make it simpler."
        ) from None
    # A group that took no part in the match is null, as is no match at all.
    return None if found is None else found.group(rule.group)


def _formatted(result: JsonValue, step: TransformStep) -> JsonValue:
    if step.output_format == "json" and isinstance(result, str) and step.extract is None:
        try:
            return read_json(result)
        except OutputMismatch:
            raise InvalidInput(
                "NOT_JSON",
                f"The text that `{step.id}` made is not JSON: check it, or remove `output_format`.",
            ) from None
    if step.output_format in ("text", "markdown") and result is not None:
        return print_value(result)
    return result
