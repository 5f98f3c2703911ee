"""The value of one named field, read out of a text by the words of its name. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from core.providers import demo_find as find
from core.providers.demo_text import keywords, sentences, summarize

Schema = dict[str, Any]


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


def _values(line: str) -> list[Decimal]:
    return find.numbers(line) or [value for value, _, _ in find.amounts(line)]


class Reader:
    """Answers what a text says for a field; None (or nothing) where it says nothing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def choose(self, options: list[Any], name: str) -> Any:
        texts = [option for option in options if isinstance(option, str)]
        if texts:
            return find.choose(texts, self.text, name)
        amounts = sorted(option for option in options if isinstance(option, (int, float)))
        if amounts and not isinstance(amounts[0], bool) and any(word in _LEVELS for word in split_name(name)):
            return amounts[min(len(amounts) - 1, int(find.urgency(self.text) * len(amounts)))]
        said = [option for option in options if re.search(rf"(?<!\w){re.escape(str(option))}(?!\w)", self.text)]
        return said[0] if said else options[0]

    def strings(self, name: str, most: int) -> list[str]:
        parts = split_name(name)
        for kind in ("email", "url", "phone", "company", "person"):
            if any(part.rstrip("s") == kind for part in parts) or (kind == "person" and parts[-1:] == ["people"]):
                return find.all_of(kind, self.text)
        if any(part.startswith("date") for part in parts):
            return [iso for iso, _ in find.dates(self.text)]
        if any(part in _LISTS_OF_WORDS for part in parts):
            return keywords(self.text, most)
        return summarize(self.text, min(most, 3))

    def string(self, schema: Schema, name: str) -> str | None:
        parts = split_name(name)
        last = parts[-1] if parts else ""
        form = schema.get("format")
        if form in ("date", "date-time") or last in ("date", "day", "deadline", "due") or name.endswith("_at"):
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
        if any(part in ("vendor", "supplier", "seller", "company", "issuer", "merchant", "from") for part in parts):
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
        about = [s for s in sentences(self.text) if any(find.has(s.lower(), part) for part in parts if len(part) > 2)]
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

    def number(self, schema: Schema, name: str) -> Decimal | None:
        parts = split_name(name)
        low, high = schema.get("minimum"), schema.get("maximum")
        if any(part in (*_LEVELS, "score", "rating") for part in parts):
            said = find.labelled(self.text, parts)
            if said and (plain := find.numbers(said)):
                return plain[0]
            bottom, top = Decimal(str(1 if low is None else low)), Decimal(str(5 if high is None else high))
            share = find.urgency(self.text) if any(part in _LEVELS for part in parts) else 0.5
            return bottom + (top - bottom) * Decimal(str(share))
        if any(part in ("confidence", "probability", "certainty") for part in parts):
            return Decimal("0.5")
        if any(part in ("sum", "total", "due") for part in parts) and "sub" not in parts:
            total = find.total_amount(self.text)
            if total is not None:
                return total
        if "word" in parts or "words" in parts:
            return Decimal(len(self.text.split()))
        said = find.labelled(self.text, parts)
        if said and (plain := _values(said)):
            return plain[0]
        near = self._number_near(parts)
        if near is None and any(part in ("amount", "price", "cost", "fee", "value") for part in parts):
            return find.total_amount(self.text)
        return near

    def _number_near(self, parts: list[str]) -> Decimal | None:
        for line in re.split(r"[\n.!?;](?:\s|$)", self.text):
            named = any(find.has(line.lower(), part.rstrip("s")) for part in parts if len(part) > 2)
            if named and (plain := _values(line)):
                return plain[-1]
        return None

    def boolean(self, name: str) -> bool | None:
        parts = [part for part in split_name(name) if part not in ("is", "has", "needs", "should", "was", "are")]
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
