"""JSON Schemas written by people (`output_schema`): checked when written, applied to what a model returned.

Applying a foreign schema must not read files or addresses, hang on a regular expression, or run away on
references: only references inside the schema are allowed, patterns have a time limit, and the number of
references followed is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import SchemaError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from core.pipelines.patterns import pattern_problem, search
from core.pipelines.source import Path
from core.shared.types import JsonValue

MAX_REFERENCES = 20_000

IDENTIFIERS = (
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
)
SCHEMA_MAPS = ("properties", "$defs", "definitions", "dependentSchemas")
SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
SCHEMAS_TOO = ("unevaluatedItems", "unevaluatedProperties", "contentSchema")


SAMPLES: tuple[JsonValue, ...] = ({}, [], "", 0, None)
"""One value of each kind: enough to meet a reference that leads back to itself."""


class SchemaTooCostly(Exception):
    """Applying a schema took too long."""


def check_schema(schema: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """What is wrong with a schema: where in it, and what to do. Nothing when it can be applied."""
    problems = list(_refused(schema, ()))
    try:
        for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
            problems.append((tuple(error.absolute_path), f"This is not valid JSON Schema: {short(error)}"))
    except RecursionError:
        problems.append(((), "This schema is nested too deep."))
    problems = list(dict.fromkeys(problems))
    if not problems:
        problems.extend(_broken_references(schema))
    if not problems:
        try:
            for sample in SAMPLES:
                first_problem(schema, sample)
        except SchemaTooCostly:
            problems.append(((), "This schema refers to itself without end: break the circle of `$ref`."))
    yield from problems


def first_problem(schema: Mapping[str, Any], value: JsonValue) -> tuple[Path, str] | None:
    """Where a value does not fit a schema and why, in a short sentence; None when it fits.

    Raises SchemaTooCostly.
    """
    token = _followed.set(0)
    try:
        validator = _Validator(schema, registry=Registry(), format_checker=_Validator.FORMAT_CHECKER)
        errors: list[ValidationError] = list(validator.iter_errors(value))
    except (RecursionError, TimeoutError, Unresolvable) as problem:
        raise SchemaTooCostly from problem
    finally:
        _followed.reset(token)
    if not errors:
        return None
    # The shallowest problem explains most: a missing field rather than a branch of anyOf.
    error = min(errors, key=lambda found: (len(found.absolute_path), str(list(found.absolute_path))))
    return tuple(error.absolute_path), short(error)


def short(error: ValidationError | SchemaError) -> str:
    """A finding of jsonschema in at most one line, without the value that was found."""
    keyword, wanted = str(error.validator), cast(Any, error.validator_value)
    if keyword == "required" and isinstance(error.instance, Mapping):
        missing = [name for name in wanted if name not in error.instance]
        return f"{_listed(missing)} missing."
    if keyword == "type":
        kinds = wanted if isinstance(wanted, list) else [wanted]
        return f"it must be {' or '.join(KINDS.get(kind, str(kind)) for kind in kinds)}."
    if keyword == "enum":
        return f"it must be one of {', '.join(map(str, wanted))[:200]}."
    if keyword == "anyOf" and error.path and error.path[-1] == "type":
        return f"a type is one of {', '.join(KINDS)}."
    if keyword == "const":
        return f"it must be {str(wanted)[:100]}."
    if keyword == "additionalProperties":
        # Naming them would repeat what a model wrote.
        return "it has fields that are not in the schema."
    words = {
        "minimum": "it must be at least {}.",
        "maximum": "it must be at most {}.",
        "exclusiveMinimum": "it must be more than {}.",
        "exclusiveMaximum": "it must be less than {}.",
        "minLength": "it must have at least {} characters.",
        "maxLength": "it must have at most {} characters.",
        "minItems": "it must have at least {} entries.",
        "maxItems": "it must have at most {} entries.",
        "pattern": "it must match the pattern {}.",
        "format": "it must be a {}.",
    }
    return words.get(keyword, f"it does not fit `{keyword}`.").format(str(wanted)[:100])


KINDS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return f"{shown} {'is' if len(names) == 1 else 'are'}"


def subschemas(schema: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """A schema and all schemas inside it, with their paths."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for key, value in schema.items():
        if key in SCHEMA_MAPS and isinstance(value, Mapping):
            for name, inner in value.items():
                yield from subschemas(inner, (*path, key, name))
        elif key in SCHEMA_LISTS and isinstance(value, list):
            for index, inner in enumerate(value):
                yield from subschemas(inner, (*path, key, index))
        elif key in SCHEMAS or key in SCHEMAS_TOO:
            yield from subschemas(value, (*path, key))


def may_exist(schema: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether a value that fits the schema can have something at this path.

    False only when it certainly cannot: at each level the schema names its properties, is not combined
    with others, and does not have this one. (That a schema allows further properties does not mean the
    model was asked for them: a name it does not list is taken for a mistake.)
    """
    current: Any = schema
    for part in path:
        if not isinstance(current, Mapping):
            return True
        if any(word in current for word in ("$ref", "allOf", "anyOf", "oneOf", "if", "not")):
            return True
        kinds = current.get("type")
        if part.isdigit() and kinds == "array":
            current = current.get("items")
            continue
        if kinds is not None and "object" not in (kinds if isinstance(kinds, list) else [kinds]):
            return isinstance(kinds, list) and "array" in kinds
        properties = current.get("properties")
        if not isinstance(properties, Mapping):
            return True
        if part not in properties:
            return isinstance(current.get("additionalProperties"), Mapping) or (
                current.get("additionalProperties") is True
            )
        current = properties[part]
    return True


_followed: ContextVar[int] = ContextVar("followed", default=0)


def _follow(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    count = _followed.get() + 1
    _followed.set(count)
    if count > MAX_REFERENCES:
        raise TimeoutError("too many references")
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema) or ()


def _match(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and search(pattern, instance) is None:
        yield ValidationError("pattern")


_Validator: Any = cast(Any, extend)(Draft202012Validator, {"$ref": _follow, "pattern": _match})


def _refused(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    for place, inner in subschemas(schema, path):
        for word in IDENTIFIERS:
            if word in inner:
                yield (*place, word), f"`{word}` is not supported: use `$ref` to `#/$defs/...`."
        if "patternProperties" in inner:
            yield (*place, "patternProperties"), "`patternProperties` is not supported: list the properties."
        reference = inner.get("$ref")
        if reference is not None and not (isinstance(reference, str) and reference.startswith("#")):
            yield (*place, "$ref"), "`$ref` may only point inside this schema, such as `#/$defs/item`."
        pattern = inner.get("pattern")
        if isinstance(pattern, str):
            problem = pattern_problem(pattern)
            if problem:
                yield (*place, "pattern"), problem


def _broken_references(schema: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    known = {"#" + "".join(f"/{_escaped(part)}" for part in place) for place, _ in subschemas(schema)}
    for place, inner in subschemas(schema):
        if "$ref" in inner and inner["$ref"] not in known:
            yield (*place, "$ref"), f"`{inner['$ref']}` points at no schema inside this one."


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
