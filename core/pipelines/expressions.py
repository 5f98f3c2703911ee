"""Conditions: a CEL expression, or a template.

CEL is read by common-expression-language. Its loops cannot be interrupted, `map` and `filter` take a time
that grows with the square of a list, and deep nesting ends the process: so an expression is bounded before
it is compiled, and what it would do before it is run. Only the values it names are handed to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel

from core.pipelines.expression_tokens import EXPRESSION_ROOTS, ExpressionParts, take_apart
from core.pipelines.references import Reference, exact_reference, read_template
from core.pipelines.templates import Scope, render, resolve, type_name
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

MAX_LENGTH = 4_000
MAX_TOKENS = 400
MAX_DEPTH = 24
"""Brackets in brackets: far below what fits on the stack of a thread."""

MAX_VALUES = 200_000
"""Single values a condition may be handed; 5 microseconds each."""
MAX_ROUNDS = 50_000
MAX_COPIES = 500_000
MAX_TEXT = 50_000_000

FALSE_TEXTS = ("", "false", "0", "null")
FUNCTIONS = {
    *("size", "contains", "startsWith", "endsWith", "matches", "type", "dyn"),
    *("int", "uint", "double", "string", "bytes", "timestamp", "duration"),
    *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
}
TYPE_NAMES = {"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"}
WORDS = {"and": "&&", "or": "||", "not": "!"}
PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")


@dataclass(frozen=True, slots=True)
class ExpressionCheck:
    """What is wrong with a condition and what to do, or None; and the values it reads, in written order.

    A reference to `steps` without a path means every step.
    """

    problem: str | None
    references: tuple[Reference, ...]

    @property
    def steps(self) -> frozenset[str]:
        """The ids (or numbers, in templates) of the steps it names."""
        return frozenset(reference.step for reference in self.references if reference.step is not None)


def is_template(text: str) -> bool:
    """Whether a condition is a template and not an expression."""
    return "{{" in text


def check_expression(text: str, names: tuple[str, ...] = ()) -> ExpressionCheck:
    """Look at a condition before it is ever run. Whether what it names exists is not looked at.

    `names` are those of the items of the `map` steps around it.
    """
    if is_template(text):
        template = read_template(text)
        problem = template.problems[0].message if template.problems else None
        return ExpressionCheck(problem, template.references)
    if len(text) > MAX_LENGTH:
        return ExpressionCheck(f"A condition has at most {MAX_LENGTH:,} characters: use a `code` step.", ())
    roots = (*EXPRESSION_ROOTS, *names)
    parts = take_apart(text, roots)
    return ExpressionCheck(_problem(text, parts, roots), parts.references)


def evaluate_condition(text: str, scope: Scope) -> bool:
    """Whether a condition holds over `input`, `vars` and `steps`.

    An expression gives true or false. A template is false when its text is empty, `false`, `0` or `null`;
    one that is a single reference also when that is null, as is the output of a skipped step.

    Raises InvalidInput: CONDITION, CONDITION_FAILED, CONDITION_TOO_COSTLY, MISSING_REFERENCE, and those of
    templates.
    """
    if is_template(text):
        return _template_holds(text, scope)
    roots = tuple(name for name in scope if name != "env")
    program, parts = _compiled(text, roots)
    values = {root: scope[root] for root in roots}
    picked: Any = _picked(values, [(reference.root, *reference.path) for reference in parts.references])
    _refuse_costly(parts, picked)
    result = _executed(program, parts.references, values, picked)
    if not isinstance(result, bool):
        kind = type_name(result) if isinstance(result, str | int | float | list | dict | None) else "another value"
        words = f"The condition gives {kind}, not true or false: compare it, for example with `!=` or `>`."
        raise InvalidInput("CONDITION_FAILED", words)
    return result


def _template_holds(text: str, scope: Scope) -> bool:
    reference = exact_reference(text)
    if reference is not None and resolve(reference, scope) is None:
        return False
    return render(text, scope).strip() not in FALSE_TEXTS


def _problem(text: str, parts: ExpressionParts, roots: tuple[str, ...]) -> str | None:
    if not parts.tokens:
        return "The condition is empty: write an expression such as `steps.draft.output.score > 0.8`."
    if len(parts.tokens) > MAX_TOKENS or parts.depth > MAX_DEPTH:
        return f"The condition has more than {MAX_TOKENS} parts or {MAX_DEPTH} nested brackets: use a `code` step."
    try:
        program = cel.compile(text)
    except ValueError as error:
        return _syntax_problem(str(error), parts)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return "This is not a CEL expression."
    known = {*roots, *TYPE_NAMES, *parts.variables}
    for name in program.variables():
        if name == "env":
            return "A condition cannot read secrets (`env`)."
        if name not in known:
            return f"There is no `{name}`: a condition reads `input`, `vars` and `steps`, and texts stand in quotes."
    for name in program.functions():
        if name.isidentifier() and not name.startswith("_") and name not in FUNCTIONS:
            return f"There is no function `{name}` in conditions. There are: {', '.join(sorted(FUNCTIONS))}."
    return None


def _syntax_problem(message: str, parts: ExpressionParts) -> str:
    found = PLACE.search(message)
    where = f" at line {found[1]}, column {found[2]}" if found else ""
    words = [WORDS[token.text] for token in parts.tokens if token.kind == "name" and token.text in WORDS]
    hint = f" Write `{words[0]}` for the word." if words else ""
    if not hint and found and "recognition error at: '= " in found[3]:
        hint = " Compare with `==`."
    return f"This is not a CEL expression{where}.{hint or ' An example: `steps.draft.output.score > 0.8`.'}"


@lru_cache(maxsize=256)
def _compiled(text: str, roots: tuple[str, ...]) -> tuple[cel.Program, ExpressionParts]:
    check = check_expression(text, roots)
    if check.problem is not None:
        raise InvalidInput("CONDITION", check.problem)
    return cel.compile(text), take_apart(text, roots)


def _picked(value: Any, paths: Sequence[tuple[str, ...]]) -> Any:
    """The part of a value that these paths lead to."""
    if not isinstance(value, Mapping) or any(not path for path in paths):
        return value
    heads = dict.fromkeys(path[0] for path in paths)
    return {
        head: _picked(value[head], [path[1:] for path in paths if path[0] == head]) for head in heads if head in value
    }


def _refuse_costly(parts: ExpressionParts, value: Any) -> None:
    values, longest_list, text = _sizes(value)
    rounds = max(longest_list, len(parts.tokens)) ** parts.loops if parts.loops else 1
    too_much = (
        values > MAX_VALUES
        or rounds > MAX_ROUNDS
        or (parts.builds and rounds * max(values, 1) > MAX_COPIES)
        or rounds * parts.work * text > MAX_TEXT
    )
    if too_much:
        words = "The condition would go through too many values: work them out in a `code` or `sql` step, and"
        raise InvalidInput("CONDITION_TOO_COSTLY", f"{words} compare its output here.")


def _sizes(value: Any) -> tuple[int, int, int]:
    """How many values there are, how many stand in the longest list or object, and the characters of all texts."""
    count = longest = text = 0
    stack = [value]
    while stack and count <= MAX_VALUES:
        current = stack.pop()
        count += 1
        if isinstance(current, str):
            text += len(current)
        elif isinstance(current, Mapping):
            longest = max(longest, len(current))
            stack.extend(current.values())
        elif isinstance(current, list):
            longest = max(longest, len(current))
            stack.extend(current)
    return count, longest, text


def _executed(program: cel.Program, references: Sequence[Reference], values: Scope, picked: Any) -> Any:
    try:
        return program.execute(picked)
    except KeyError as error:
        raise _missing(error, references, values) from None
    except IndexError:
        raise InvalidInput(
            "CONDITION_FAILED", "The condition reads an item that the list does not have: check `size(...)` first."
        ) from None
    except ZeroDivisionError:
        raise InvalidInput("CONDITION_FAILED", "The condition divides by zero.") from None
    except BaseException as error:
        # A panic of the library is no Exception; nothing else but these two may pass.
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise InvalidInput("CONDITION_FAILED", _unfit(references, values)) from None


def _missing(error: KeyError, references: Sequence[Reference], values: Scope) -> InvalidInput:
    """The error that names the reference behind a key that is not there."""
    key = str(error.args[0]).strip("'\"") if error.args else ""
    missing = [reference for reference in references if _first_missing(reference, values) is not None]
    named = [reference for reference in missing if _first_missing(reference, values) == key] or missing
    name = named[0].text if named else key
    words = f"`{name}` does not exist in this run: check the name, or ask with `has(...)` whether it is there."
    return InvalidInput("MISSING_REFERENCE", words, reference=name)


def _first_missing(reference: Reference, values: Scope) -> str | None:
    value: Any = values
    for part in (reference.root, *reference.path):
        if not isinstance(value, Mapping):
            return None
        if part not in value:
            return part
        value = value[part]
    return None


def _unfit(references: Sequence[Reference], values: Scope) -> str:
    """What the references hold, for an operation that does not take it."""
    kinds = dict.fromkeys(f"`{name}` is {kind}" for name, kind in (_deepest(one, values) for one in references))
    told = f": {', '.join(list(kinds)[:5])}" if kinds else ""
    return f"The condition does something that these values do not allow{told}. Convert them, or ask for null first."


def _deepest(reference: Reference, values: Scope) -> tuple[str, str]:
    """How far a reference leads, and what is there."""
    value: JsonValue = values.get(reference.root)
    name = reference.root
    for part in reference.path:
        if not isinstance(value, dict) or part not in value:
            break
        value, name = value[part], f"{name}.{part}"
    return name, type_name(value)
