"""Which models see, and that no picture can cost more than was held for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers.catalogue import Catalogue
from core.providers.domain import ImagePart, ModelCard, ModelRequest, PartnerConfig, ProviderConfig
from core.providers.images import image_upper_bound, sees
from core.providers.tokens import request_upper_bound

PARTNER = PartnerConfig("groq", "https://api.groq.com/openai/v1", "gsk", ("llama-3.2-90b-vision-preview",))
CATALOGUE = Catalogue(ProviderConfig(partners=(PARTNER,)))
SIZES = st.integers(1, 2_048)


def card_of(model: str) -> ModelCard:
    card = CATALOGUE.find(model)
    assert card is not None
    return card


def picture(width: int, height: int) -> ImagePart:
    return ImagePart("image/png", b"", width, height)


@pytest.mark.parametrize(
    ("provider", "model", "vision"),
    [
        ("anthropic", "claude-2", False),
        ("anthropic", "claude-3-haiku", True),
        ("anthropic", "claude-opus-5-5", True),
        ("openai", "gpt-3.5-turbo-1106", False),
        ("openai", "gpt-4", False),
        ("openai", "gpt-4-0613", False),
        ("openai", "gpt-4-turbo", True),
        ("openai", "gpt-4o-mini", True),
        ("openai", "gpt-4o-search-preview", False),
        ("openai", "o1-mini", False),
        ("openai", "o1", True),
        ("openai", "o3-mini", False),
        ("openai", "o3", True),
        ("openai", "gpt-6-sol", True),
        ("groq", "llama-3.3-70b-versatile", False),
        ("groq", "llama-3.2-90b-vision-preview", True),
        ("groq", "meta-llama/Llama-4-Maverick-17B-128E-Instruct", True),
        ("ollama", "qwen2.5-vl:7b", True),
        ("ollama", "qwen2.5:7b", False),
        ("ollama", "gemma3:4b", True),
        ("ollama", "llava", True),
        ("demo", "demo", False),
    ],
)
def test_models_that_see(provider: str, model: str, vision: bool) -> None:
    assert sees(provider, model) is vision


def test_cards_say_it() -> None:
    assert card_of("gpt-4o").vision and card_of("claude-sonnet-4-5").vision
    assert card_of("llama-3.2-90b-vision-preview").vision
    assert not card_of("gpt-3.5-turbo").vision and not card_of("demo").vision


# What the vendors' pages say for single sizes.
@pytest.mark.parametrize(
    ("model", "width", "height", "tokens"),
    [
        ("claude-sonnet-4-5", 200, 200, 54),
        ("claude-sonnet-4-5", 1_000, 1_000, 1_334),
        ("claude-sonnet-4-5", 1_092, 1_092, 1_590),
        ("claude-opus-4-8", 2_000, 1_500, 3_888),
        ("gpt-4o", 1_024, 1_024, 765),
        ("gpt-4o", 1_024, 2_048, 1_105),
        ("gpt-4o-mini", 1_024, 1_024, 25_501),
        ("gpt-4.1-mini", 1_024, 1_024, 1_659),
        ("gpt-5.4-mini", 1_600, 1_600, 3_008),
        ("gpt-5.4", 1_600, 1_600, 3_008),
        ("llama-3.2-90b-vision-preview", 1_000, 1_000, 6_404),
    ],
)
def test_the_bound_covers_what_vendors_document(model: str, width: int, height: int, tokens: int) -> None:
    bound = image_upper_bound(picture(width, height), card_of(model))
    assert tokens <= bound <= 3 * tokens + 100


@given(SIZES, SIZES)
def test_the_bound_covers_the_vendors_formulas(width: int, height: int) -> None:
    image = picture(width, height)
    claude = min(1_568, math.ceil(width / 28) * math.ceil(height / 28), 10**9)
    assert image_upper_bound(image, card_of("claude-sonnet-4-5")) >= claude
    assert image_upper_bound(image, card_of("claude-opus-5-5")) >= min(4_784, width * height / 750)
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    assert image_upper_bound(image, card_of("gpt-4.1-nano")) >= 2.46 * min(1_536, patches)
    assert image_upper_bound(image, card_of("gpt-6-sol")) >= 1.2 * min(10_000, patches)
    scale = min(1.0, 768 / min(width, height))
    tiles = math.ceil(round(width * scale) / 512) * math.ceil(round(height * scale) / 512)
    assert image_upper_bound(image, card_of("gpt-4o")) >= 85 + 170 * tiles
    assert image_upper_bound(image, card_of("gpt-4o-mini")) >= 2_833 + 5_667 * tiles


def test_a_request_counts_its_pictures() -> None:
    request = ModelRequest("m", "What is this?")
    for model in ("claude-sonnet-4-5", "gpt-4o", "llama-3.2-90b-vision-preview"):
        card = card_of(model)
        two = replace(request, images=(picture(800, 600), picture(40, 30)))
        more = request_upper_bound(two, card) - request_upper_bound(request, card)
        assert more == sum(image_upper_bound(image, card) for image in two.images) > 0
    assert request_upper_bound(replace(request, images=(picture(9, 9),)), card_of("demo")) == request_upper_bound(
        request, card_of("demo")
    )
