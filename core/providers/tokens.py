"""How many tokens a text is: exact for the OpenAI encodings we carry, by kinds of characters elsewhere.

An estimate is for people ("likely"). An upper bound is for holding credits, so it really is one: every
vendor's tokenizer works on UTF-8 bytes, or falls back to them, so a text never has more tokens than bytes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from dataclasses import asdict
from functools import cache
from importlib import import_module
from typing import Literal, Protocol, cast

from core.providers.domain import ANTHROPIC, OPENAI, ModelCard, ModelRequest, ToolSpec
from core.providers.images import image_upper_bound


class _Tokenizer(Protocol):
    def count(self, text: str) -> int: ...


Encoding = Literal["o200k_base", "cl100k_base"]

# Roles, separators and the reply's opening around one or two messages.
MESSAGE_TOKENS = 16
# What vendors put around a JSON Schema, beyond the schema itself.
SCHEMA_TOKENS = 512
# What vendors tell a model about the use of tools, and put around each tool, call and result.
TOOLS_TOKENS, TOOL_TOKENS = 1_024, 64
SAMPLE = 65_536
EXACT_UP_TO = 4_000_000  # characters: half a second at worst; above it bytes are the bound

_O200K = re.compile(r"(?:ft:)?(?:gpt-4o|gpt-4\.1|gpt-4\.5|chatgpt-4o|gpt-5|o1|o3|o4|codex-mini)")
_CL100K = re.compile(r"(?:ft:)?gpt-(?:4|3\.5)")

# Tokens a character, from counting prose, source code and chats with o200k_base.
_LETTER, _DIGIT, _SPACE, _SIGN, _ACCENT, _SCRIPT, _CJK, _OTHER = 0.21, 0.4, 0.12, 0.55, 0.5, 0.45, 0.85, 1.6
# Claude's tokenizers cut text finer than OpenAI's.
_ANTHROPIC_FACTOR = 1.25


def estimate_tokens(text: str, card: ModelCard) -> int:
    """The likely number of tokens of a text for this model."""
    if card.provider == OPENAI:
        encoding = openai_encoding(card.vendor_model) or "o200k_base"
        if len(text) <= EXACT_UP_TO:
            return _count(text, encoding)
    estimate = estimate_text_tokens(text)
    if card.provider == ANTHROPIC:
        estimate = int(estimate * _ANTHROPIC_FACTOR) + (1 if text else 0)
    return min(estimate, _bytes(text))


def upper_bound_tokens(text: str, card: ModelCard) -> int:
    """A number of tokens this text cannot exceed, one message's framing included."""
    encoding = openai_encoding(card.vendor_model) if card.provider == OPENAI else None
    if encoding and len(text) <= EXACT_UP_TO:
        return _count(text, encoding) + MESSAGE_TOKENS
    return _bytes(text) + MESSAGE_TOKENS


def request_upper_bound(request: ModelRequest, card: ModelCard) -> int:
    """A number of input tokens a request cannot exceed: prompts, images, schema, tools and what was said since."""
    total = upper_bound_tokens(request.prompt, card)
    total += sum(image_upper_bound(image, card) for image in request.images)
    if request.system_prompt:
        total += upper_bound_tokens(request.system_prompt, card)
    if request.output_schema is not None:
        # A schema is sent as itself, or written into the system prompt with indentation: twice covers both.
        total += 2 * _bytes(json.dumps(request.output_schema)) + SCHEMA_TOKENS
    elif request.json_output:
        total += SCHEMA_TOKENS
    total += tools_upper_bound(request.tools)
    for turn in request.history:
        total += turn.reply.usage.output_tokens + TOOL_TOKENS * (1 + len(turn.reply.tool_calls))
        total += sum(upper_bound_tokens(result.text, card) + TOOL_TOKENS for result in turn.results)
        total += upper_bound_tokens(turn.message, card)
    return total


def tools_upper_bound(tools: tuple[ToolSpec, ...]) -> int:
    """A number of input tokens that offering these tools cannot exceed."""
    # As with a schema, some vendors rewrite them: twice covers it.
    offered = sum(TOOL_TOKENS + 2 * _bytes(json.dumps(asdict(tool))) for tool in tools)
    return TOOLS_TOKENS + offered if tools else 0


def openai_encoding(model_id: str) -> Encoding | None:
    """The encoding of an OpenAI model where it is known, else None."""
    if _O200K.match(model_id):
        return "o200k_base"
    return "cl100k_base" if _CL100K.match(model_id) else None


def estimate_text_tokens(text: str) -> int:
    """The likely number of tokens of a text for a tokenizer that is not known. Reads a sample of long texts."""
    if not text:
        return 0
    sample = text
    if len(text) > SAMPLE:
        slices, width = 16, SAMPLE // 16
        step = (len(text) - width) / (slices - 1)
        sample = "".join(text[int(index * step) : int(index * step) + width] for index in range(slices))
    weight = sum(times * _weight(char) for char, times in Counter(sample).items())
    return max(1, int(weight * len(text) / len(sample) + 0.5))


@cache
def _weight(char: str) -> float:
    if char.isascii():
        if char.isalpha():
            return _LETTER
        return _DIGIT if char.isdigit() else _SPACE if char.isspace() else _SIGN
    name = unicodedata.name(char, "")
    if name.startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL")):
        return _CJK
    if name.startswith("LATIN"):
        return _ACCENT
    return _SCRIPT if char.isalpha() else _OTHER


@cache
def _tokenizer(encoding: Encoding) -> _Tokenizer:
    # Loaded on first use: the tables take 60 MB and a fifth of a second.
    bindings = import_module("bpe_openai._bindings")
    return cast(_Tokenizer, bindings.tokenizer_for_encoding(encoding))


def _count(text: str, encoding: Encoding) -> int:
    try:
        return _tokenizer(encoding).count(text)
    except UnicodeEncodeError:  # lone surrogates: sent as replacement characters
        return _tokenizer(encoding).count(text.encode("utf-8", "replace").decode())


def _bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass"))
