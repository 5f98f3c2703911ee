"""Images in calls: which models see, how a picture is sent, and how many tokens it can cost.

Sources: Anthropic, "Images and vision" (a token for 28 x 28 pixels, at most about 1,600 an image; 4,784 for the
models since 4.7, which see in high resolution); OpenAI, "Images and vision" (a base and 512-pixel tiles, or 32-pixel
patches times a factor of the model; both counted at `detail: high`); Meta, Llama 3.2 model card (four tiles of
1,601). What is quoted and held is an upper bound, so where a vendor's page leaves a choice the dearer one counts.
"""

from __future__ import annotations

import base64
import math
import re

from core.providers.domain import ANTHROPIC, DEMO_PROVIDER, OPENAI, ImagePart, ModelCard

DETAIL = "high"  # OpenAI's own choice depends on the picture: then its price could not be bounded

# Anthropic: every Claude since 3. OpenAI: the text-only ones are named, because the others all see.
_BLIND_CLAUDE = re.compile(r"claude-(?:v1|1|2|instant)")
_BLIND_GPT = re.compile(
    r"(?:ft:)?gpt-3\.5|(?:ft:)?gpt-4(?:$|-0|-32k|-1106-preview|-turbo-preview)|o1-(?:mini|preview)|o3-mini"
    r"|gpt-4o(?:-mini)?-search|gpt-5-search"
)
# Open models that see, by the names their makers gave them; hosts put a maker's name before, and sizes after.
_SEEING_PARTNER = re.compile(
    r"vision|llava|pixtral|llama-?4|maverick|scout|moondream|minicpm-v|internvl|(?<![a-z])vl(?![a-z])|gemma-?[34]"
    r"|phi-?4-multimodal|mistral-small-?3\.[12]|mistral-medium-3|glm-4\.[0-9]v|gpt-4o|kimi-vl",
    re.IGNORECASE,
)

# Up to 4.6; those that came later see in high resolution.
_LOW_RESOLUTION_CLAUDE = re.compile(r"claude-(?:3|4-|(?:haiku|sonnet|opus)-4(?:$|-[0-6](?!\d)|-2025|@))")
ANTHROPIC_PATCH, ANTHROPIC_MOST, ANTHROPIC_MOST_HIGH = 28, 1_600, 4_784
ANTHROPIC_PIXELS = 750  # a token, by the vendor's older formula
FRAME = 32  # what is put around a picture

_MINI_TILES = re.compile(r"(?:ft:)?gpt-4o-mini")
_TILES_ONLY = re.compile(r"(?:ft:)?gpt-4(?:o|-turbo|-vision|\.5)|chatgpt-4o|o[13](?:$|-)")
_KNOWN_BUDGET = re.compile(r"(?:ft:)?(?:gpt-4|gpt-5(?:[.-]|$)|chatgpt-4o|o1|o3|o4|codex-mini)")
TILE, TILED_LONG_EDGE, TILED_SHORT_EDGE = 512, 2_048, 768
DEAREST_TILES = (85, 170)
MINI_TILES = (2_833, 5_667)
PATCH, MOST_PATCHES, MOST_PATCHES_UNKNOWN, DEAREST_FACTOR = 32, 2_500, 10_000, 2.46

PARTNER_PATCH, PARTNER_LEAST, PARTNER_MOST = 14, 6_500, 20_000


def sees(provider: str, model: str) -> bool:
    """Whether a model looks at images."""
    if provider == DEMO_PROVIDER:
        return False
    if provider == ANTHROPIC:
        return not _BLIND_CLAUDE.match(model)
    if provider == OPENAI:
        return not _BLIND_GPT.match(model)
    return bool(_SEEING_PARTNER.search(model))


def encoded(image: ImagePart) -> str:
    """The picture in base64."""
    return base64.b64encode(image.data).decode()


def data_url(image: ImagePart) -> str:
    """The picture as a data URL (RFC 2397)."""
    return f"data:{image.media_type};base64,{encoded(image)}"


def image_upper_bound(image: ImagePart, card: ModelCard) -> int:
    """A number of input tokens this picture cannot exceed with this model."""
    if card.provider == DEMO_PROVIDER:
        return 0
    if card.provider == ANTHROPIC:
        high = not _LOW_RESOLUTION_CLAUDE.match(card.vendor_model)
        most = ANTHROPIC_MOST_HIGH if high else ANTHROPIC_MOST
        counted = max(_patches(image, ANTHROPIC_PATCH), math.ceil(image.width * image.height / ANTHROPIC_PIXELS))
        return min(most, counted) + FRAME
    if card.provider == OPENAI:
        return _openai_bound(image, card.vendor_model)
    return min(PARTNER_MOST, max(PARTNER_LEAST, _patches(image, PARTNER_PATCH)))


def _openai_bound(image: ImagePart, model: str) -> int:
    base, tile = MINI_TILES if _MINI_TILES.match(model) else DEAREST_TILES
    tiled = base + tile * _tiles(image.width, image.height)
    if _TILES_ONLY.match(model):
        return tiled + FRAME
    most = MOST_PATCHES if _KNOWN_BUDGET.match(model) else MOST_PATCHES_UNKNOWN
    patched = math.ceil(DEAREST_FACTOR * min(most, _patches(image, PATCH)))
    return max(tiled, patched) + FRAME


def _tiles(width: int, height: int) -> int:
    # Scaled down to 2,048 pixels long and 768 short; a pixel more allows for the vendor's way of rounding.
    scale = min(1.0, TILED_LONG_EDGE / max(width, height))
    scale = min(scale, TILED_SHORT_EDGE / min(width, height))
    return math.ceil((width * scale + 1) / TILE) * math.ceil((height * scale + 1) / TILE)


def _patches(image: ImagePart, side: int) -> int:
    return math.ceil(image.width / side) * math.ceil(image.height / side)
