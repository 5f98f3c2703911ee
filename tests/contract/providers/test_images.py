"""Pictures as each vendor's documentation says they are sent, through the real SDKs."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from core.providers.catalogue import Catalogue
from core.providers.demo import CANNOT_SEE as DEMO_CANNOT_SEE
from core.providers.domain import CANNOT_SEE, ImagePart, ModelRequest, PartnerConfig, ProviderConfig
from core.providers.router import Providers
from core.shared.errors import ProviderError
from tests.contract.providers.conftest import PROMPT, Vendor
from tests.support import samples

PNG = ImagePart("image/png", samples.image("PNG"), 40, 30)
JPEG = ImagePart("image/jpeg", samples.image("JPEG"), 40, 30)


def in_base64(image: ImagePart) -> str:
    return base64.b64encode(image.data).decode()


def expected(kind: str) -> list[dict[str, Any]]:
    text = {"type": "text", "text": PROMPT}
    if kind == "anthropic":
        return [
            {"type": "image", "source": {"type": "base64", "media_type": i.media_type, "data": in_base64(i)}}
            for i in (PNG, JPEG)
        ] + [text]
    urls = [f"data:{image.media_type};base64,{in_base64(image)}" for image in (PNG, JPEG)]
    if kind == "openai":
        parts = [{"type": "input_image", "image_url": url, "detail": "high"} for url in urls]
        return [*parts, {"type": "input_text", "text": PROMPT}]
    return [*({"type": "image_url", "image_url": {"url": url}} for url in urls), text]


def content_of(vendor: Vendor) -> Any:
    return vendor.last.body["input" if vendor.kind == "openai" else "messages"][-1]["content"]


@pytest.mark.parametrize("stream", [False, True])
async def test_pictures_go_before_the_text(vendor: Vendor, stream: bool) -> None:
    reply = await vendor.call("", (lambda piece: None) if stream else None, images=(PNG, JPEG))
    assert content_of(vendor) == expected(vendor.kind)
    assert reply.text == PROMPT.upper()


async def test_without_pictures_the_prompt_stays_a_plain_text(vendor: Vendor) -> None:
    await vendor.call()
    body = vendor.last.body
    assert (body["input"] if vendor.kind == "openai" else body["messages"][-1]["content"]) == PROMPT


async def test_pictures_go_with_a_schema_and_with_json(vendor: Vendor) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    reply = await vendor.call("", images=(PNG,), output_schema=schema)
    assert set(json.loads(reply.text)) == {"n"}
    await vendor.call("", images=(PNG,), json_output=True)
    assert in_base64(PNG) in json.dumps(vendor.last.body) and "JSON" in json.dumps(vendor.last.body)


async def test_openai_over_chat_completions_is_told_the_detail(vendor: Vendor) -> None:
    if vendor.kind != "openai":
        pytest.skip("its own field")
    await vendor.call("", images=(PNG,), max_tokens=8)  # below what the Responses API takes
    assert vendor.last.path.endswith("/chat/completions")
    assert vendor.last.body["messages"][-1]["content"][0]["image_url"]["detail"] == "high"


async def test_a_model_that_does_not_see_is_not_called(vendor: Vendor) -> None:
    blind = replace(vendor.card, vision=False)
    with pytest.raises(ProviderError) as caught:
        await vendor.providers.port_for(blind, None).complete(vendor.request(images=(PNG,)), None)
    assert (caught.value.code, caught.value.retryable, caught.value.charged) == (CANNOT_SEE, False, False)
    assert vendor.stub.requests == []


async def test_no_error_repeats_a_picture(vendor: Vendor) -> None:
    for scenario in ("error-400", "malformed"):
        with pytest.raises(ProviderError) as caught:
            await vendor.call(scenario, images=(PNG,))
        assert in_base64(PNG)[:40] not in f"{caught.value!r} {caught.value.context}"


async def test_usage_that_is_not_reported_counts_the_pictures(vendor: Vendor) -> None:
    if vendor.kind != "partner":
        pytest.skip("the others always report")
    plain = await vendor.call("no-usage", lambda piece: None)
    seen = await vendor.call("no-usage", lambda piece: None, images=(PNG,))
    assert seen.usage.input_tokens > plain.usage.input_tokens + 1_000


async def test_the_demo_model_says_that_it_cannot_see() -> None:
    card = Catalogue(ProviderConfig()).find("demo")
    assert card is not None
    port = Providers(ProviderConfig(), demo_pace_seconds=0).port_for(card, None)
    text = "Summarise this: The council met on Tuesday. It approved the budget. Nobody spoke against it."
    request = ModelRequest("demo", text)
    plain = await port.complete(request, None)
    blind = await port.complete(replace(request, images=(PNG,)), None)
    assert blind.text == f"{DEMO_CANNOT_SEE}\n\n{plain.text}"


@pytest.mark.parametrize("vendor_name", ["anthropic", "openai", "groq"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_independent_imitation_takes_them(llmock: Any, vendor_name: str, stream: bool) -> None:
    models = {"anthropic": "claude-sonnet-4-5", "openai": "gpt-4.1-mini", "groq": "llama-4-scout-17b-16e-instruct"}
    groq = PartnerConfig("groq", llmock.base_url("groq"), "gsk-test", (models["groq"],), {"input": 1, "output": 2})
    config = ProviderConfig("sk-test", llmock.base_url("anthropic"), "sk-test", llmock.base_url("openai"), (groq,))
    card = Catalogue(config).find(models[vendor_name])
    assert card is not None and card.vision
    llmock.reply("A teal rectangle.")
    providers = Providers(config)
    request = ModelRequest(card.id, "What is this?", timeout_seconds=5, images=(PNG, JPEG))
    reply = await providers.port_for(card, None).complete(request, (lambda piece: None) if stream else None)
    await providers.aclose()
    assert reply.text == "A teal rectangle." and reply.usage.input_tokens > 0
