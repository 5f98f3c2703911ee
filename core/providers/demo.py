"""The built-in demo model: offline, deterministic, and honest about being no language model.

It picks sentences, words and facts out of the text it is given, so that pipelines can be tried before any
key exists. It never makes text up and never pretends to translate. It has no tools: as an agent it answers at once,
from the prompt alone.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from core.providers import demo_find as find
from core.providers.demo_fill import fill_schema
from core.providers.demo_text import READ_AT_MOST, Asked, how_many, keywords, sentences, summarize, take_apart
from core.providers.domain import (
    DEMO_MODEL,
    DEMO_PROVIDER,
    ModelReply,
    ModelRequest,
    OnDelta,
    StopReason,
    Usage,
)
from core.providers.limits import DEMO_OUTPUT_TOKENS
from core.providers.tokens import estimate_text_tokens

DEFAULT_PACE_SECONDS = 0.004
LONG_PROMPT = 20_000  # characters: longer ones take tens of milliseconds and more, which others would wait for
CANNOT_TRANSLATE = "The demo model cannot translate. The main sentences of the text are:"
CANNOT_SEE = "The demo model cannot see images; it works from the text alone."
CANNOT_WRITE = (
    "The demo model only picks sentences and facts out of the text it is given; it writes no new text. "
    "Choose a language model for this step."
)
_FIELDS = re.compile(r"\{([^{}]{3,600})\}")
_NAMED_FIELDS = re.compile(
    r"(?i)\b(?:keys?|fields?|properties|columns)\b[:\s]+([\w`'\", ]+?(?:\band\b [\w`'\"]+)?)(?=[.:;\n]|$)"
)
_LISTED_FIELDS = re.compile(
    r"(?i)\b(?:extract|return|give|provide|output|find)\s+(?:me\s+)?(?:the\s+)?"
    r"((?:\w+\s*,\s*)+(?:and\s+)?\w+(?:\s+and\s+\w+)?)(?=\s+(?:as|from|in|of|out)\b|[.:;\n]|$)"
)
_RANGE = re.compile(r"(\d+)\s*(?:-|–|to|\.\.)\s*(\d+)")
_CHOICES = re.compile(
    r"(?i)\b(?:one of|as either|as|either|into|choose from|choose between|categories|labels)\b:?\s+"
    r"((?:[\"'`]?[\w -]{2,30}[\"'`]?\s*(?:,|\||/|\bor\b|\band\b)\s*)+[\"'`]?[\w -]{2,30}?[\"'`]?)(?=[.:;\n(]|$)"
)


class DemoModel:
    """The demo model as a port. `pace_seconds` is the pause between streamed pieces; 0 in tests."""

    def __init__(self, pace_seconds: float = DEFAULT_PACE_SECONDS) -> None:
        self._pace = pace_seconds

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply:
        """Answer out of the prompt's own text. Never fails; cancellable between two pieces."""
        if len(request.prompt) > LONG_PROMPT:
            text, structured = await asyncio.to_thread(answer, request)
        else:
            text, structured = answer(request)
        limit = request.max_tokens or DEMO_OUTPUT_TOKENS
        stop: StopReason = "end"
        if not structured and estimate_text_tokens(text) > limit:
            text, stop = _cut(text, limit), "max_tokens"
        if on_delta is not None:
            for piece in _pieces(text):
                on_delta(piece)
                await asyncio.sleep(self._pace)
        prompt = f"{request.system_prompt or ''}\n{request.prompt}"
        usage = Usage(estimate_text_tokens(prompt), estimate_text_tokens(text))
        return ModelReply(text, usage, stop, DEMO_MODEL, DEMO_PROVIDER)


def answer(request: ModelRequest) -> tuple[str, bool]:
    """The demo model's answer to a request, and whether it is JSON."""
    asked = take_apart(request.prompt)
    instruction = f"{request.system_prompt or ''}\n{asked.instruction}"[:READ_AT_MOST]
    text = asked.text or asked.instruction
    schema = request.output_schema
    if schema is None and request.json_output:
        schema = schema_from_words(instruction)
    if schema is not None:
        return json.dumps(fill_schema(schema, text), ensure_ascii=False, indent=2), True
    written = _write(instruction, Asked(asked.instruction, asked.text))
    return f"{CANNOT_SEE}\n\n{written}" if request.images else written, False


def _write(instruction: str, asked: Asked) -> str:
    lowered = instruction.lower()
    text = asked.text
    if not text:
        # Nothing but an instruction, or a bare text without one.
        body = asked.instruction
        if len(sentences(body)) <= 2:
            return f"{CANNOT_WRITE} It was asked: {' '.join(body.split())[:400]}"
        text = body
    if re.search(r"\btranslat|übersetz|traduire|traduci", lowered):
        return "\n\n".join((CANNOT_TRANSLATE, " ".join(summarize(text, 5))))
    if re.search(r"\b(?:keywords?|key ?phrases|tags|hashtags)\b", lowered):
        return ", ".join(keywords(text, how_many(instruction, 5, "keyword|tag|item|word|phrase|topic")))
    if choices := _choices(instruction):
        return find.choose(choices, text, "")
    if re.search(r"\b(?:title|headline|subject line)\b", lowered):
        opening = summarize(text, 1)[0] if sentences(text) else text
        return opening if len(opening.split()) <= 14 else " ".join(opening.split()[:12]) + " …"
    if re.search(r"\b(?:bullets?|bulleted|key points|points|list|digest|highlights|takeaways)\b", lowered):
        default = 5 if "digest" in lowered else 4
        return "\n".join(
            f"- {part}" for part in _digest(text, how_many(instruction, default, "bullet|point|item|sent"))
        )
    short = max(1, min(3, len(sentences(text)) // 2))
    wanted = summarize(text, how_many(instruction, short, "sentence"))
    if most := re.search(
        r"(?i)\b(?:at most|under|in|max(?:imum)?(?: of)?|no more than|about)\s+(\d{1,4}) words", instruction
    ):
        kept = " ".join(wanted).split()
        return " ".join(kept[: int(most.group(1))])
    return " ".join(wanted)


def _digest(text: str, count: int) -> list[str]:
    """The best sentence of each block when there are several blocks, else the best sentences."""
    blocks = [block for block in re.split(r"\n\s*\n", text) if len(block.split()) > 5]
    if 1 < len(blocks) <= count:
        return [part for block in blocks for part in summarize(block, 1)]
    return summarize(text, count)


def _choices(instruction: str) -> list[str]:
    """The labels of `classify as A, B or C`; empty when the instruction offers none."""
    if not re.search(r"(?i)classif|categori[sz]|label|sentiment|one of|which of|choose|triage", instruction):
        return []
    match = _CHOICES.search(instruction)
    if match is None:
        return []
    parts = re.split(r",|\||/|\bor\b|\band\b", match.group(1))
    labels = [part.strip(" \"'`\n") for part in parts]
    labels = [label for label in labels if label]
    return labels if len(labels) > 1 and all(len(label.split()) <= 3 for label in labels) else []


def schema_from_words(instruction: str) -> dict[str, Any]:
    """A schema for `{topic, urgency 1-5, customer_mood}` or `the keys a, b and c` in an instruction."""
    braces = _FIELDS.search(instruction)
    named = _NAMED_FIELDS.search(instruction)
    listed = _LISTED_FIELDS.search(instruction)
    match = braces or named or listed
    found = match.group(1) if match else ""
    properties: dict[str, Any] = {}
    for part in re.split(r",|\n|\band\b", found):
        clean = part.strip(" \"'`\n\t")
        field = re.match(r"[\"'`]?([A-Za-z_]\w*)[\"'`]?\s*[:=(]?\s*(.*)", clean, re.DOTALL)
        if field and len(field.group(1)) <= 60:
            properties[field.group(1)] = _property(field.group(1), field.group(2))
    if not properties:
        properties = {
            "summary": {"type": "string"},
            "keywords": {"type": "array", "items": {"type": "string"}},
        }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _property(name: str, hint: str) -> dict[str, Any]:
    lowered = hint.lower()
    if (bounds := _RANGE.search(hint)) and int(bounds.group(1)) < int(bounds.group(2)):
        return {"type": "integer", "minimum": int(bounds.group(1)), "maximum": int(bounds.group(2))}
    options = [part.strip(" \"'`)") for part in re.split(r"\||/", hint)]
    if len(options) > 1 and all(re.fullmatch(r"[\w -]{1,30}", option) for option in options):
        return {"type": "string", "enum": options}
    if "bool" in lowered or "true" in lowered:
        return {"type": "boolean"}
    if "array" in lowered or "list" in lowered or "[" in lowered or name in ("keywords", "tags"):
        return {"type": "array", "items": {"type": "string"}}
    if "int" in lowered or name in ("urgency", "priority"):
        return {"type": "integer"}
    if "number" in lowered or "float" in lowered or name in ("total", "amount", "price"):
        return {"type": ["number", "null"]}
    return {"type": ["string", "null"]}


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces of about three words, as a language model would stream it."""
    parts = re.findall(r"\s*\S+\s*", text) or ([text] if text else [])
    for start in range(0, len(parts), 3):
        yield "".join(parts[start : start + 3])


def _cut(text: str, tokens: int) -> str:
    kept = text[: tokens * 4]
    while kept and estimate_text_tokens(kept) > tokens:
        kept = kept[: int(len(kept) * 0.9)]
    return kept
