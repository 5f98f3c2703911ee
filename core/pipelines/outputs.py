"""What comes back: a model's text into JSON, and a run's steps into its output."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from core.pipelines.definition import Definition, Step
from core.pipelines.references import value_template
from core.pipelines.schemas import SchemaTooCostly, first_problem
from core.pipelines.source import path_text
from core.pipelines.templates import Scope, print_value, resolve_value
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

MAX_VALUES = 500_000
QUOTED_IN_REPAIR = 20_000
FENCE = re.compile(r"```[a-zA-Z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)
CANDIDATES = 20


class OutputMismatch(InvalidInput):
    """A text is not the JSON that was asked for. The message says what is wrong in one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__("OUTPUT_MISMATCH", message)


def parse_output(text: str, schema: Mapping[str, Any] | None = None) -> JsonValue:
    """The JSON in a model's text, which may be fenced or stand in a sentence, checked against a schema.

    Raises OutputMismatch.
    """
    value = _find_json(text)
    if schema is None:
        return value
    try:
        problem = first_problem(schema, value)
    except SchemaTooCostly:
        raise OutputMismatch("Checking the answer against `output_schema` took too long.") from None
    if problem is not None:
        path, words = problem
        where = f"at `{path_text(path)}` " if path else ""
        raise OutputMismatch(f"The answer does not fit `output_schema`: {where}{words}")
    return value


def repair_prompt(original_prompt: str, bad_text: str, problem: str) -> str:
    """The prompt of the one further try after an answer that does not fit."""
    shown = bad_text[:QUOTED_IN_REPAIR]
    return (
        f"{original_prompt}\n\n"
        "You have answered this before, but the answer could not be used.\n"
        f"Problem: {problem}\n"
        f"Your answer was:\n<answer>\n{shown}\n</answer>\n\n"
        "Answer again. Reply only with the corrected JSON: no explanation, no code fence."
    )


def run_output(definition: Definition, scope: Scope, outputs: Mapping[str, JsonValue]) -> JsonValue:
    """What a run returns: the value of `output.from`, else the output of the last step.

    Raises InvalidInput MISSING_REFERENCE.
    """
    written = definition.output.from_
    if written is None:  # the last step that ran: what a jump went over has no output
        ran = (outputs[step.id] for step in reversed(definition.steps) if outputs.get(step.id) is not None)
        return next(ran, None)
    return resolve_value(value_template(written) or written, scope)


def format_output(step: Step, output: JsonValue) -> JsonValue:
    """An output as its step's `output_format` wants it. Raises InvalidInput NOT_JSON."""
    if output is None or step.output_format is None:
        return output
    if step.output_format != "json":
        return print_value(output)
    if not isinstance(output, str) or step.type in ("llm", "transform"):
        return output
    try:
        return read_json(output)
    except OutputMismatch:
        raise InvalidInput(
            "NOT_JSON", f"The output of `{step.id}` is not JSON: check it, or remove `output_format`."
        ) from None


def read_json(text: str) -> JsonValue:
    """Strict JSON. Raises OutputMismatch."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise OutputMismatch("The text is not JSON.") from None
    bounded(value)
    return value


def bounded(value: JsonValue) -> None:
    """Raise InvalidInput OUTPUT_TOO_LARGE for a value with more than MAX_VALUES parts.

    A short expression can share one list so often that writing it out would never end.
    """
    stack = [value]
    count = 0
    while stack:
        current = stack.pop()
        count += 1
        if count > MAX_VALUES:
            raise InvalidInput("OUTPUT_TOO_LARGE", f"The output has more than {MAX_VALUES:,} values: make it smaller.")
        if isinstance(current, dict):
            stack.extend(current.values())
        elif isinstance(current, list):
            stack.extend(current)


def _find_json(text: str) -> JsonValue:
    stripped = text.strip().removeprefix("\ufeff")
    if not stripped:
        raise OutputMismatch("The answer is empty; JSON was asked for.")
    fenced = FENCE.search(stripped)
    for candidate in (stripped, fenced.group(1) if fenced else None):
        if candidate is not None:
            try:
                return read_json(candidate)
            except OutputMismatch:
                continue
    return _embedded(stripped)


def _embedded(text: str) -> JsonValue:
    """The first object or list that stands in a sentence."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    for number, opening in enumerate(re.finditer(r"[{\[]", text)):
        if number >= CANDIDATES:
            break
        try:
            value: JsonValue = decoder.raw_decode(text, opening.start())[0]
        except (ValueError, RecursionError):
            continue
        if value:
            bounded(value)
            return value
    raise OutputMismatch("The answer is not JSON.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
