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
from core.providers.demo_text import keywords, sentences, summarize

Schema = dict[str, Any]
MAX_DEPTH = 12
_TITLE = ("title", "subject", "headline", "heading")
_SUMMARY = (
    "summary",
    "description",
    "abstract",
    "digest",
    "overview",
    "text",
    "content",
    "reason",
    "explanation",
)
_LISTS_OF_WORDS = ("keyword", "keywords", "tag", "tags", "topics", "entities", "labels", "themes")
_LEVELS = ("urgency", "priority", "severity", "importance")
_REFERENCES = ("number", "id", "no", "nr", "reference", "ref", "code")


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
            return self._choose(list(options), name)
        match self.kind(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "string":
                return self._fit_string(self._string(schema, name), schema)
            case "integer" | "number":
                return self._fit_number(self._number(schema, name), schema)
            case "boolean":
                return self._boolean(name)
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

    def _choose(self, options: list[Any], name: str) -> Any:
        texts = [option for option in options if isinstance(option, str)]
        if texts:
            return find.choose(texts, self.text, name)
        amounts = sorted(option for option in options if isinstance(option, (int, float)))
        if amounts and not isinstance(amounts[0], bool) and any(word in _LEVELS for word in split_name(name)):
            return amounts[min(len(amounts) - 1, int(find.urgency(self.text) * len(amounts)))]
        said = [
            option for option in options if re.search(rf"(?<!\w){re.escape(str(option))}(?!\w)", self.text)
        ]
        return said[0] if said else options[0]

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
            values += said or [self._choose(list(items["enum"]), name)]
        elif kind == "string":
            values += [
                v for v in (self._fit_string(v, items) for v in self._strings(name, most)) if v is not None
            ]
        elif kind in ("integer", "number"):
            values += [self._fit_number(v, items) for v in find.numbers(self.text)[:most]]
        elif kind == "object" and schema.get("items") is not False:
            values += self._rows(items, most, depth)
        values = _unique(values) if schema.get("uniqueItems") else values
        values = values[: max(most, len(prefix))]
        while len(values) < least:
            values.append(
                _distinct(self.empty(items, depth + 1), len(values), bool(schema.get("uniqueItems")))
            )
        return values

    def _rows(self, items: Schema, most: int, depth: int) -> list[Any]:
        """Objects of a list: one for each line with an amount, else for each listed line, else one of the text."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        rows = [line for line in lines if re.match(r"[-*•]|\d{1,2}[.)]\s", line)]
        rows = rows or [
            line for line in lines if find.amounts(line) and not re.search(r"(?i)total|tax|vat", line)
        ]
        rows = [re.sub(r"^(?:[-*•]|\d{1,2}[.)])\s*", "", row) for row in rows]
        return [_Filler(self.root, row)._object(items, depth + 1) for row in (rows or [self.text])[:most]]

    def _strings(self, name: str, most: int) -> list[str]:
        parts = split_name(name)
        for kind in ("email", "url", "phone", "company", "person"):
            if any(part.rstrip("s") == kind for part in parts) or (
                kind == "person" and parts[-1:] == ["people"]
            ):
                return find.all_of(kind, self.text)
        if any(part.startswith("date") for part in parts):
            return [iso for iso, _ in find.dates(self.text)]
        if any(part in _LISTS_OF_WORDS for part in parts):
            return keywords(self.text, most)
        return summarize(self.text, min(most, 3))

    def _string(self, schema: Schema, name: str) -> str | None:
        parts = split_name(name)
        last = parts[-1] if parts else ""
        form = schema.get("format")
        if (
            form in ("date", "date-time")
            or last in ("date", "day", "deadline", "due")
            or name.endswith("_at")
        ):
            iso = find.date_for(self.text, parts)
            return f"{iso}T00:00:00Z" if iso and form == "date-time" else iso
        for kind, names in _PATTERNS:
            if form == kind or (form == "uri" and kind == "url") or last in names:
                return find.first(kind, self.text)
        if "currency" in parts:
            return find.currency(self.text)
        if pattern := schema.get("pattern"):
            return self._by_pattern(str(pattern))
        if last in _REFERENCES:
            labelled = find.labelled(self.text, parts)
            kinds = [part for part in parts if part not in _REFERENCES] or ["number", "reference"]
            return find.reference_number(self.text, kinds) or labelled
        if said := find.labelled(self.text, parts):
            return said
        return self._by_meaning(parts, name)

    def _by_meaning(self, parts: list[str], name: str) -> str | None:
        if any(
            part in ("vendor", "supplier", "seller", "company", "issuer", "merchant", "from")
            for part in parts
        ):
            return self._vendor()
        if any(part in ("mood", "sentiment", "emotion", "tone", "feeling") for part in parts):
            return find.mood(self.text)
        if any(part in ("topic", "category", "subject", "theme", "intent", "type") for part in parts):
            known = find.topic(self.text)
            return known or next(iter(keywords(self.text, 1)), None)
        if any(part in _LEVELS for part in parts):
            return ("low", "medium", "high")[min(2, int(find.urgency(self.text) * 3))]
        if any(part in _TITLE for part in parts):
            opening = next(iter(sentences(self.text)), "")
            return opening if len(opening.split()) <= 14 else " ".join(opening.split()[:10]) + " …"
        if any(part in _SUMMARY for part in parts) or not name:
            return " ".join(summarize(self.text, 2)) or None
        if any(part in _LISTS_OF_WORDS for part in parts):
            return ", ".join(keywords(self.text, 5)) or None
        if any(part in ("amount", "total", "price") for part in parts):
            total = find.total_amount(self.text)
            return None if total is None else str(total)
        if any(part in ("name", "customer", "client", "person", "sender", "author") for part in parts):
            return find.first("person", self.text)
        about = [
            s
            for s in sentences(self.text)
            if any(find.has(s.lower(), part) for part in parts if len(part) > 2)
        ]
        return about[0] if about else None

    def _vendor(self) -> str | None:
        for label in (
            "vendor",
            "supplier",
            "seller",
            "from",
            "company",
            "issued by",
            "billed by",
            "bill from",
        ):
            if said := find.labelled(self.text, label.split()):
                return said
        if company := find.first("company", self.text):
            return company
        for line in self.text.splitlines():
            clean = line.strip(" #*-\t")
            if re.fullmatch(r"[A-Z][\w&.'-]*(?: [A-Z&][\w&.'-]*){0,4}", clean) and clean.lower() != "invoice":
                return clean
        return None

    def _number(self, schema: Schema, name: str) -> Decimal | None:
        parts = split_name(name)
        low, high = schema.get("minimum"), schema.get("maximum")
        if any(part in (*_LEVELS, "score", "rating") for part in parts):
            if said := find.labelled(self.text, parts):
                if plain := find.numbers(said):
                    return plain[0]
            bottom, top = Decimal(str(1 if low is None else low)), Decimal(str(5 if high is None else high))
            share = find.urgency(self.text) if any(part in _LEVELS for part in parts) else 0.5
            return bottom + ((top - bottom) * Decimal(str(share))).to_integral_value()
        if any(part in ("confidence", "probability", "certainty") for part in parts):
            return Decimal("0.5")
        if any(part in ("sum", "total", "due") for part in parts) and "sub" not in parts:
            if (total := find.total_amount(self.text)) is not None:
                return total
        if "word" in parts or "words" in parts:
            return Decimal(len(self.text.split()))
        if said := find.labelled(self.text, parts):
            if plain := find.numbers(said) or [value for value, _, _ in find.amounts(said)]:
                return plain[0]
        near = self._number_near(parts)
        if near is None and any(part in ("amount", "price", "cost", "fee", "value") for part in parts):
            return find.total_amount(self.text)
        return near

    def _number_near(self, parts: list[str]) -> Decimal | None:
        for line in re.split(r"[\n.!?;](?:\s|$)", self.text):
            if any(find.has(line.lower(), part.rstrip("s")) for part in parts if len(part) > 2):
                if plain := find.numbers(line) or [value for value, _, _ in find.amounts(line)]:
                    return plain[-1]
        return None

    def _boolean(self, name: str) -> bool | None:
        parts = [
            part for part in split_name(name) if part not in ("is", "has", "needs", "should", "was", "are")
        ]
        if not parts:
            return None
        if any(part.startswith("urgent") for part in parts):
            return find.urgency(self.text) >= 0.5
        lowered = self.text.lower()
        phrase = " ".join(parts)
        said = find.has(lowered, phrase) or all(find.has(lowered, part) for part in parts)
        denied = re.search(rf"(?:\bnot?|n't|\bwithout|\bnever)\s+(?:\w+\s+)?{re.escape(parts[-1])}", lowered)
        return bool(said) and not denied

    def _by_pattern(self, pattern: str) -> str | None:
        try:
            # Patterns come from people: only simple ones are tried, on a short text, never nested repetition.
            if len(pattern) > 200 or re.search(r"[+*}]\)?[+*{]", pattern):
                return None
            loose = re.sub(r"^\^|\$$", "", pattern)
            found = re.search(loose, self.text[:20_000])
        except re.error:
            return None
        return found.group() if found else None

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
                return []
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


_PATTERNS = (
    ("email", ("email", "mail")),
    ("url", ("url", "link", "website", "uri")),
    ("phone", ("phone", "telephone", "tel", "mobile")),
    ("time", ("time",)),
)


def split_name(name: str) -> list[str]:
    """The words of a property name: `invoiceNumber` and `invoice_number` alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [part.lower() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part]


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
