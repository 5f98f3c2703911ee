"""What the vendors' models accept, where neither the price data nor the SDKs say it.

Wrong entries are survivable: an adapter that is refused a parameter repeats the call without it.
"""

from __future__ import annotations

import re

PARTNER_OUTPUT_TOKENS = 8_192
DEMO_OUTPUT_TOKENS = 4_096

# The first pattern that matches wins.
_OUTPUT_TOKENS: tuple[tuple[str, int], ...] = (
    (r"claude-(?:v1|2|instant|3-(?:haiku|sonnet|opus))", 4_096),
    (r"claude-3-5", 8_192),
    (r"claude-(?:opus-4-[01]|opus-4$|4-opus|opus-4-2025)", 32_000),
    (r"claude-(?:3-7|sonnet-4(?:-[05]|-2025|$)|opus-4-5|haiku|4-sonnet)", 64_000),
    (r"claude-", 128_000),
    (r"gpt-3\.5|gpt-4-(?:turbo|vision|1106|0125)", 4_096),
    (r"gpt-4(?:$|-0|-32k)|computer-use", 8_192),
    (r"(?:ft:)?(?:gpt-4o|chatgpt-4o|gpt-4\.5)|gpt-5(?:\.\d)?-chat|gpt-5\.3$", 16_384),
    (r"(?:ft:)?gpt-4\.1", 32_768),
    (r"o1-preview", 32_768),
    (r"o1-mini", 65_536),
    (r"o\d|codex-mini", 100_000),
    (r"gpt-", 128_000),
)

_TAKES_TEMPERATURE = re.compile(
    r"claude-(?:v1|2|instant|3|4-|haiku-4|sonnet-4|opus-4-[0-6](?!\d)|opus-4(?:$|-2025|@))"
    r"|(?:ft:)?gpt-(?:3|4)|chatgpt-4o|gpt-5(?:\.\d)?-chat"
)
_CHAT_ONLY = re.compile(r"gpt-4o(?:-mini)?-search-preview|gpt-5-search-api|gpt-3\.5|gpt-4-(?:0|32k|vision)|gpt-4$")
_NO_SCHEMA = re.compile(
    r"gpt-3\.5|gpt-4(?:$|-0|-32k|-turbo|-vision|-1106)|o1-(?:preview|mini)|gpt-4o-2024-05-13|chatgpt-4o"
    r"|claude-(?:v1|2|instant|3|sonnet-4(?:-0|-2025|$|@)|opus-4(?:-[01](?!\d)|-2025|$|@)|4-)"
)
_NO_SYSTEM = re.compile(r"o1-(?:preview|mini)")
_NO_TOOLS = re.compile(
    r"claude-(?:v1|2|instant)|o1-(?:preview|mini)|chatgpt-4o|gpt-4o(?:-mini)?-search-preview|gpt-5-search-api"
    r"|gpt-4-(?:0314|32k|vision)|gpt-3\.5-turbo-0301"
)


def vendor_output_tokens(model_id: str) -> int | None:
    """The most tokens a model answers with, reasoning included; None where unknown."""
    return next((limit for pattern, limit in _OUTPUT_TOKENS if re.match(pattern, model_id)), None)


def takes_temperature(model_id: str) -> bool:
    """False for the reasoning models of either vendor, which answer 400 to `temperature`."""
    return bool(_TAKES_TEMPERATURE.match(model_id))


def takes_schema(model_id: str) -> bool:
    """Whether the vendor holds the model's answer to a JSON Schema."""
    return not _NO_SCHEMA.match(model_id)


def takes_system_prompt(model_id: str) -> bool:
    """False for the earliest reasoning models, whose system prompt goes before the prompt."""
    return not _NO_SYSTEM.match(model_id)


def takes_tools(model_id: str) -> bool:
    """Whether the vendor offers tools with this model."""
    return not _NO_TOOLS.match(model_id)


def needs_chat_api(model_id: str) -> bool:
    """OpenAI models that are only, or more surely, served by Chat Completions."""
    return bool(_CHAT_ONLY.match(model_id))
