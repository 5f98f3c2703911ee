"""Filling a JSON Schema out of a text by pattern, so that the result always satisfies it. Pure.

Honest about what it does not know: optional properties that were not found are left out, nullable ones are
null, and required ones get the emptiest value their schema allows.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from core.providers import demo_find as find
from core.providers.demo_values import Reader, Schema

MAX_DEPTH = 12


def fill_schema(schema: Schema, text: str) -> Any:
    """A value that satisfies the schema, made of what the text says."""
    filler = _Filler(schema, text)
    value = filler.fill(schema, "", 0)
    try:
        if not list(Draft202012Validator(schema).iter_errors(value)):
            return value
    except (SchemaError, re.error, ValueError, TypeError):
        return value
    return filler.repair(schema, value)


class _Filler:
    def __init__(self, root: Schema, text: str) -> None:
        self.root = root
        self.text = text
        self.reader = Reader(text)

    def fill(self, schema: Schema | bool, name: str, depth: int) -> Any:
        found = self.found(schema, name, depth)
        return self.empty(schema, depth) if found is None else found

    def found(self, given: Schema | bool, name: str, depth: int) -> Any:
        """What the text says for this schema, or None where it says nothing."""
        schema = self.resolve(given)
        if depth > MAX_DEPTH:
            return None
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            return self.reader.choose(list(options), name)
        match self.kind(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._fit_string(self.reader.string(schema, name), schema)
            case "integer" | "number":
                return self._fit_number(self.reader.number(schema, name), schema)
            case "boolean":
                return self.reader.boolean(name)
        return None

    def resolve(self, given: Schema | bool) -> Schema:
        """Follow references and merge what has to hold together; of alternatives take the first that is not null."""
        if isinstance(given, bool):
            return {}
        schema = dict(given)
        for _ in range(MAX_DEPTH):
            if isinstance(reference := schema.pop("$ref", None), str):
                schema = {**self._at(reference), **schema}
            elif parts := schema.pop("allOf", None):
                for part in parts:
                    schema = _merge(schema, part if isinstance(part, dict) else {})
            elif options := schema.pop("anyOf", None) or schema.pop("oneOf", None):
                usable = [o for o in options if isinstance(o, dict) and o.get("type") != "null"]
                schema = _merge(schema, usable[0] if usable else {"type": "null"})
            else:
                break
        return schema

    def _at(self, reference: str) -> Schema:
        node: Any = self.root
        for part in reference.lstrip("#").strip("/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key, {}) if key and isinstance(node, dict) else node
        return dict(node) if isinstance(node, dict) else {}

    @staticmethod
    def kind(schema: Schema) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return next((str(kind) for kind in kinds if kind != "null"), "null")
        if isinstance(kinds, str):
            return kinds
        if "properties" in schema or "required" in schema:
            return "object"
        if "items" in schema or "prefixItems" in schema:
            return "array"
        return "number" if "minimum" in schema or "maximum" in schema else "string"

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties: dict[str, Any] = schema.get("properties") or {}
        required = schema.get("required")
        filled: dict[str, Any] = {}
        for name, part in properties.items():
            value = self.found(part, name, depth + 1)
            if value is None and (required is None or name in required):
                value = self.empty(part, depth + 1)
                if value is None and "null" not in _kinds(self.resolve(part)):
                    continue
            if value is not None or required is None or name in required:
                filled[name] = value
        for name in required or ():
            if name not in filled:
                extra = schema.get("additionalProperties")
                filled[name] = self.fill(extra if isinstance(extra, dict) else {}, name, depth + 1)
        return filled

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least, most = int(schema.get("minItems") or 0), int(schema.get("maxItems") or 5)
        most = max(most, least)
        prefix = schema.get("prefixItems") or []
        items = self.resolve(schema.get("items", True))
        values = [self.fill(part, name, depth + 1) for part in prefix]
        kind = self.kind(items)
        if items.get("enum"):
            said = [o for o in items["enum"] if isinstance(o, str) and find.has(self.text.lower(), o.lower())]
            values += said or [self.reader.choose(list(items["enum"]), name)]
        elif kind == "string":
            values += [
                v for v in (self._fit_string(v, items) for v in self.reader.strings(name, most)) if v is not None
            ]
        elif kind in ("integer", "number"):
            values += [self._fit_number(v, items) for v in find.numbers(self.text)[:most]]
        elif kind == "object" and schema.get("items") is not False:
            values += self._rows(items, most, depth)
        values = _unique(values) if schema.get("uniqueItems") else values
        values = values[: max(most, len(prefix))]
        while len(values) < least:
            values.append(_distinct(self.empty(items, depth + 1), len(values), bool(schema.get("uniqueItems"))))
        return values

    def _rows(self, items: Schema, most: int, depth: int) -> list[Any]:
        """Objects of a list: one for each line with an amount, else for each listed line, else one of the text."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        rows = [line for line in lines if re.match(r"[-*•]|\d{1,2}[.)]\s", line)]
        rows = rows or [line for line in lines if find.amounts(line) and not re.search(r"(?i)total|tax|vat", line)]
        rows = [re.sub(r"^(?:[-*•]|\d{1,2}[.)])\s*", "", row) for row in rows]
        return [_Filler(self.root, row)._object(items, depth + 1) for row in (rows or [self.text])[:most]]

    @staticmethod
    def _fit_string(value: str | None, schema: Schema) -> str | None:
        if value is None:
            return None
        most, least = schema.get("maxLength"), schema.get("minLength") or 0
        if most is not None and len(value) > most:
            value = value[: max(0, most - 1)].rstrip() + "…" if most > 1 else value[:most]
        return value if len(value) >= least else None

    @staticmethod
    def _fit_number(value: Decimal | None, schema: Schema) -> int | float | None:
        if value is None:
            return None
        whole = _Filler.kind(schema) == "integer"
        low, high = schema.get("minimum"), schema.get("maximum")
        step = Decimal(str(schema["multipleOf"])) if schema.get("multipleOf") else None
        margin = step or (Decimal(1) if whole else Decimal("0.01"))
        if (above := schema.get("exclusiveMinimum")) is not None and not isinstance(above, bool):
            value = max(value, Decimal(str(above)) + margin)
        if (below := schema.get("exclusiveMaximum")) is not None and not isinstance(below, bool):
            value = min(value, Decimal(str(below)) - margin)
        value = max(value, Decimal(str(low))) if low is not None else value
        value = min(value, Decimal(str(high))) if high is not None else value
        if step:
            value = (value / step).to_integral_value() * step
            value += step if low is not None and value < Decimal(str(low)) else 0
        if whole:
            return int(value.to_integral_value())
        return int(value) if value == value.to_integral_value() else float(value)

    def empty(self, given: Schema | bool, depth: int) -> Any:
        """The emptiest value a schema allows."""
        schema = self.resolve(given)
        if "null" in _kinds(schema) or _has_null_option(given):
            return None
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if "default" in schema:
            return schema["default"]
        match self.kind(schema):
            case "object":
                return self._object(schema, depth) if depth <= MAX_DEPTH else {}
            case "array":
                least, unique = int(schema.get("minItems") or 0), bool(schema.get("uniqueItems"))
                items = schema.get("items", True)
                count = least if depth <= MAX_DEPTH else 0
                return [_distinct(self.empty(items, depth + 1), index, unique) for index in range(count)]
            case "integer" | "number":
                return self._fit_number(Decimal(0), schema)
            case "boolean":
                return False
            case "null":
                return None
        least = int(schema.get("minLength") or 0)
        by_form = {
            "date": "1970-01-01",
            "date-time": "1970-01-01T00:00:00Z",
            "email": "unknown@example.invalid",
        }
        if schema.get("format") in by_form:
            return by_form[schema["format"]]
        return "unknown".ljust(least, ".")[: schema.get("maxLength", max(7, least))] if least else ""

    def repair(self, schema: Schema, value: Any) -> Any:
        """Take out or empty the parts that do not satisfy the schema."""
        for _ in range(20):
            error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
            if error is None or not error.absolute_path:
                return value
            *above, last = list(error.absolute_path)
            holder = value
            for key in above:
                holder = holder[key]
            part = error.schema if isinstance(error.schema, dict) else {}
            least = self.empty(part, 0)
            if isinstance(holder, dict) and (holder[last] == least or error.validator == "pattern"):
                del holder[last]
            else:
                holder[last] = least
        return value


def _kinds(schema: Schema) -> list[Any]:
    kinds = schema.get("type")
    return kinds if isinstance(kinds, list) else [kinds]


def _has_null_option(given: Schema | bool) -> bool:
    if isinstance(given, bool):
        return False
    options = [*(given.get("anyOf") or ()), *(given.get("oneOf") or ())]
    return any(isinstance(option, dict) and option.get("type") == "null" for option in options)


def _merge(left: Schema, right: Schema) -> Schema:
    merged = {**left, **right}
    if "properties" in left and "properties" in right:
        merged["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        merged["required"] = [*left["required"], *(n for n in right["required"] if n not in left["required"])]
    return merged


def _unique(values: list[Any]) -> list[Any]:
    return [value for index, value in enumerate(values) if value not in values[:index]]


def _distinct(value: Any, index: int, wanted: bool) -> Any:
    if not wanted or not index:
        return value
    if isinstance(value, str):
        return f"{value}{index}"
    return value + index if isinstance(value, (int, float)) and not isinstance(value, bool) else value
