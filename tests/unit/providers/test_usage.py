"""What the adapters read from the vendors' usage: cached tokens are parts of the input, and batches are told."""

from types import SimpleNamespace

from anthropic.types import MessageDeltaUsage
from anthropic.types import Usage as AnthropicUsage

from core.providers.adapters import anthropic, openai, partner
from core.providers.domain import Usage


def test_anthropic_counts_cached_tokens_beside_the_input() -> None:
    told = AnthropicUsage.model_construct(
        input_tokens=100, output_tokens=7, cache_read_input_tokens=30, cache_creation_input_tokens=20
    )
    assert anthropic._usage(told) == Usage(150, 7, 30, 20)
    told.service_tier = "batch"
    assert anthropic._usage(told).batch


def test_the_end_of_a_stream_tells_the_input_anew_or_not_at_all() -> None:
    before = Usage(150, 1, 30, 20, batch=True)
    only_output = MessageDeltaUsage.model_construct(
        input_tokens=None, output_tokens=9, cache_read_input_tokens=None, cache_creation_input_tokens=None
    )
    assert anthropic._merged(before, only_output) == Usage(150, 9, 30, 20, batch=True)
    without_cache = only_output.model_copy(update={"input_tokens": 110})
    assert anthropic._merged(before, without_cache) == Usage(160, 9, 30, 20, batch=True), "what is not told stays"
    whole = without_cache.model_copy(update={"cache_read_input_tokens": 40, "cache_creation_input_tokens": 0})
    assert anthropic._merged(before, whole) == Usage(150, 9, 40, 0, batch=True)


def test_openai_and_its_partners_count_them_into_the_input() -> None:
    details = SimpleNamespace(cached_tokens=30, cache_write_tokens=0)
    told = SimpleNamespace(input_tokens=100, output_tokens=7, input_tokens_details=details)
    assert openai._usage(told, "default") == Usage(100, 7, 30)
    assert openai._usage(told, "flex").batch and not openai._usage(told, None).batch
    chat = SimpleNamespace(prompt_tokens=100, completion_tokens=7, prompt_tokens_details=details)
    assert partner._usage(chat) == Usage(100, 7, 30)
