from __future__ import annotations

import time
from dataclasses import replace

import pytest
from bpe_openai import get_encoding
from hypothesis import given
from hypothesis import strategies as st

from core.providers.catalogue import Catalogue
from core.providers.domain import ModelCard, ModelRequest, ProviderConfig
from core.providers.tokens import estimate_tokens, request_upper_bound, upper_bound_tokens
from tests.support.cpu import plain_loop

CATALOGUE = Catalogue(ProviderConfig())


def card_of(model: str) -> ModelCard:
    card = CATALOGUE.find(model)
    assert card is not None
    return card


GPT4O, GPT4, CLAUDE = card_of("gpt-4o"), card_of("gpt-4"), card_of("claude-sonnet-5-5")
UNKNOWN_ENCODING = card_of("gpt-6-sol")
O200K, CL100K = get_encoding("o200k_base"), get_encoding("cl100k_base")

PROSE = "The city council approved a new cycling network on Tuesday, after a long debate about parking. " * 40
CODE = "def f(x):\n    return {k: v**2 for k, v in x.items() if k != '__' and v >= 0x1F}\n\n" * 40
CHINESE = "市议会周二批准了新的自行车网络，支持者认为这会让街道更安全。" * 40


@given(st.text(max_size=400))
def test_no_tokenizer_we_have_exceeds_the_upper_bound(text: str) -> None:
    counts = len(O200K.encode_ordinary(text)), len(CL100K.encode_ordinary(text))
    assert upper_bound_tokens(text, GPT4O) >= counts[0]
    assert upper_bound_tokens(text, GPT4) >= counts[1]
    for card in (CLAUDE, UNKNOWN_ENCODING):
        assert upper_bound_tokens(text, card) >= max(counts)
        assert estimate_tokens(text, card) <= upper_bound_tokens(text, card)


@pytest.mark.parametrize("text", [PROSE, CODE, CHINESE, "é" * 999, "😀👩‍👩‍👧‍👦" * 99, "\ud800 lone", "", " " * 5_000])
@pytest.mark.parametrize("card", [GPT4O, GPT4, CLAUDE, UNKNOWN_ENCODING], ids=lambda card: card.id)
def test_the_bound_holds_for_kinds_of_text(text: str, card: ModelCard) -> None:
    said = text.encode("utf-8", "replace").decode()
    assert upper_bound_tokens(text, card) >= len(O200K.encode_ordinary(said))


def test_openai_estimates_are_exact() -> None:
    assert estimate_tokens(CODE, GPT4O) == len(O200K.encode_ordinary(CODE))
    assert estimate_tokens(CODE, GPT4) == len(CL100K.encode_ordinary(CODE))


@pytest.mark.parametrize("text", [PROSE, CODE, CHINESE])
def test_other_estimates_are_near_a_real_tokenizer(text: str) -> None:
    real = len(O200K.encode_ordinary(text))
    assert 0.8 * real <= estimate_tokens(text, CLAUDE) <= 2.2 * real


def test_code_and_chinese_need_more_tokens_a_character_than_prose() -> None:
    def density(text: str) -> float:
        return estimate_tokens(text, CLAUDE) / len(text)

    assert density(PROSE) < density(CODE) < density(CHINESE)


def test_a_whole_request_counts_its_system_prompt_and_schema() -> None:
    plain = ModelRequest("m", PROSE)
    bound = request_upper_bound(plain, CLAUDE)
    assert request_upper_bound(replace(plain, system_prompt=CODE), CLAUDE) > bound + len(CODE)
    assert request_upper_bound(replace(plain, output_schema={"type": "object"}), CLAUDE) > bound + 100


@pytest.mark.parametrize("card", [GPT4O, CLAUDE], ids=lambda card: card.id)
@pytest.mark.parametrize("unit", [PROSE, CODE, CHINESE[:300]], ids=["prose", "code", "chinese"])
def test_five_megabytes_are_counted_within_a_second(card: ModelCard, unit: str) -> None:
    upper_bound_tokens("load the tables", card)
    text = unit * (5_000_000 // len(unit.encode()))
    began = time.thread_time()
    likely, bound = estimate_tokens(text, card), upper_bound_tokens(text, card)
    assert time.thread_time() - began < 10 * plain_loop()
    assert 0 < likely <= bound
