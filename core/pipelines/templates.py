"""Rendering: a template and what is in scope into text, or into the value of its one reference.

Each tag is rewritten into a call of one of three functions of ours before Handlebars sees the template,
so that a missing reference is always an error with its name (Handlebars' strict mode lets a missing
`#if` or `#each` pass) and values are printed by our rules. Values are never rendered again: braces in
what a person or a model wrote stay text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dotpromptz_handlebars import Handlebars, HelperOptions

from core.pipelines.references import CACHED_LENGTH, Reference, TemplateTag, exact_reference, read_template
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

MAX_RENDERED = 4_000_000
"""Characters of one rendered text, and of the bodies its loops go through."""
CALL_COST = 40
"""What a tag costs beside its text, in characters: about as long as that many take."""

Scope = Mapping[str, Any]
"""`{"input": {...}, "vars": {...}, "steps": {id: {"output": ...}}}`, inside a `map` also the item's name."""


@dataclass(slots=True)
class _Rendering:
    """What the three functions need to know about the rendering they are part of."""

    references: tuple[Reference, ...]
    body_sizes: tuple[int, ...]
    spent: int = 0

    def spend(self, amount: int) -> None:
        self.spent += amount
        if self.spent > MAX_RENDERED:
            raise InvalidInput(
                "RENDER_TOO_LARGE",
                f"The rendered text passes {MAX_RENDERED:,} characters: use shorter values or fewer loops.",
            )


def render(template: str, scope: Scope) -> str:
    """The template with its references filled in.

    Raises InvalidInput: MISSING_REFERENCE for a reference that does not exist or prints a null (with
    `reference` in its context), NOT_A_LIST, RENDER_TOO_LARGE, or TEMPLATE when it is malformed.
    """
    compiled, references, sizes = _compiled(template)
    return compiled(scope, data={"rendering": _Rendering(references, sizes)})


def resolve_value(value: JsonValue, scope: Scope) -> JsonValue:
    """A field's value: exactly one reference keeps its type, other texts are rendered, the rest is walked."""
    if isinstance(value, str):
        reference = exact_reference(value)
        return render(value, scope) if reference is None else resolve(reference, scope)
    if isinstance(value, list):
        return [resolve_value(item, scope) for item in value]
    if isinstance(value, dict):
        return {key: resolve_value(item, scope) for key, item in value.items()}
    return value


def resolve(reference: Reference, scope: Scope) -> JsonValue:
    """The value of a reference outside of loops. Raises InvalidInput MISSING_REFERENCE."""
    return _follow(reference, scope if reference.root == "local" else scope.get(reference.root, _MISSING))


def print_value(value: JsonValue) -> str:
    """A value as it stands in a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_MISSING: Any = object()


def _follow(reference: Reference, value: Any) -> JsonValue:
    missing = value is _MISSING
    for part in reference.path:
        if missing:
            break
        if isinstance(value, Mapping):
            value = value.get(part, _MISSING)
        elif isinstance(value, list) and part.isascii() and part.isdigit():
            value = value[int(part)] if len(part) < 10 and int(part) < len(value) else _MISSING
        else:
            value = _MISSING
        missing = value is _MISSING
    if missing:
        raise InvalidInput(
            "MISSING_REFERENCE",
            f"`{reference.text}` does not exist in this run: check the name, or what that step returned.",
            reference=reference.text,
        )
    result: JsonValue = value
    return result


def _referenced(args: list[Any], options: HelperOptions) -> tuple[_Rendering, int, JsonValue]:
    frame: dict[str, Any] = options.data
    rendering: _Rendering = frame["rendering"]
    rendering.spend(CALL_COST)
    index = int(args[0])
    reference = rendering.references[index]
    if reference.root == "local" or (reference.bare and reference.path[0] in frame["root"]):
        return rendering, index, _follow(reference, frame["root"])
    if reference.root == "this":
        return rendering, index, _follow(reference, options.context)
    if reference.root == "@":
        return rendering, index, _follow(reference, frame)
    return rendering, index, _follow(reference, frame["root"].get(reference.root, _MISSING))


def _show(args: list[Any], options: HelperOptions) -> str:
    rendering, index, value = _referenced(args, options)
    if value is None:
        name = rendering.references[index].text
        raise InvalidInput(
            "MISSING_REFERENCE",
            f"`{name}` is empty (null) and cannot be printed: put it inside {{{{#if {name}}}}} ... {{{{/if}}}}.",
            reference=name,
        )
    text = print_value(value)
    rendering.spend(len(text))
    return text


def _show_json(args: list[Any], options: HelperOptions) -> str:
    rendering, _, value = _referenced(args, options)
    text = json.dumps(value, ensure_ascii=False)
    rendering.spend(len(text))
    return text


def _value(args: list[Any], options: HelperOptions) -> JsonValue:
    rendering, index, value = _referenced(args, options)
    reference = rendering.references[index]
    if reference.use == "each":
        if value is not None and not isinstance(value, (list, dict)):
            raise InvalidInput(
                "NOT_A_LIST",
                f"{{{{#each {reference.text}}}}} needs a list, but it is {type_name(value)}.",
                reference=reference.text,
            )
        rendering.spend(len(value or ()) * (1 + rendering.body_sizes[index]))
    return value


def type_name(value: JsonValue) -> str:
    """What a value is, in words."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"


def _engine() -> Handlebars:
    engine = Handlebars(escape_html=False, strict=True)
    for name in ("lookup", "log"):
        engine.unregister_helper(name)
    engine.register_helper("show", _show)
    engine.register_helper("json", _show_json)
    engine.register_helper("value", _value)
    return engine


_ENGINE = _engine()


_Compiled = tuple[Callable[..., str], tuple[Reference, ...], tuple[int, ...]]


def _compiled(template: str) -> _Compiled:
    return _compile_short(template) if len(template) <= CACHED_LENGTH else _compile(template)


@lru_cache(maxsize=256)
def _compile_short(template: str) -> _Compiled:
    return _compile(template)


def _compile(template: str) -> _Compiled:
    parts = read_template(template)
    if parts.problems:
        problem = parts.problems[0]
        raise InvalidInput(problem.code, problem.message)
    references: list[Reference] = []
    sizes: list[int] = []
    text: list[str] = []
    at = 0
    for tag in parts.tags:
        text.append(template[at : tag.start])
        text.append(_rewritten(tag, len(references)))
        at = tag.end
        if tag.reference is not None:
            references.append(tag.reference)
            sizes.append(parts.body_sizes.get(tag.start, 0))
    text.append(template[at:])
    return _ENGINE.compile("".join(text)), tuple(references), tuple(sizes)


def _rewritten(tag: TemplateTag, index: int) -> str:
    inner = {
        "print": f"show {index}",
        "json": f"json {index}",
        "if": f"#if (value {index})",
        "each": f"#each (value {index})",
        "else": "else",
        "else_if": f"else if (value {index})",
        "close": f"/{tag.block}",
        "comment": "! -",
    }[tag.kind]
    return f"{{{{{'~' * tag.strip_before}{inner}{'~' * tag.strip_after}}}}}"
