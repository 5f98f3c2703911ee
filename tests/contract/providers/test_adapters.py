"""What every adapter owes the engine, whatever the vendor: one suite, three APIs, real SDKs."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from core.accounts.domain import OwnKey
from core.providers.adapters.connections import SERVER_KEEPS_SECONDS
from core.providers.domain import Usage
from core.shared.errors import ProviderError
from tests.contract.providers.conftest import KEY, PROMPT, Vendor
from tests.support.encodings import traces_of
from tests.support.vendor_voices import CACHED

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"topic": {"type": "string"}, "urgency": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["topic", "urgency"],
    "additionalProperties": False,
}
ANSWER = PROMPT.upper()


async def failure_of(vendor: Vendor, scenario: str, *, stream: bool = False, **changes: Any) -> ProviderError:
    heard: list[str] = []
    with pytest.raises(ProviderError) as caught:
        await vendor.call(scenario, heard.append if stream else None, **changes)
    return caught.value


@pytest.mark.parametrize("stream", [False, True])
async def test_a_normal_answer_has_text_usage_and_a_reason_to_stop(vendor: Vendor, stream: bool) -> None:
    heard: list[str] = []
    reply = await vendor.call("", heard.append if stream else None, system_prompt="Be brief.", max_tokens=100)
    assert reply.text == ANSWER
    assert reply.stop_reason == "end"
    assert reply.provider == vendor.card.provider
    assert reply.usage.input_tokens == len(PROMPT) // 4
    assert reply.usage.output_tokens == len(ANSWER) // 4
    assert reply.usage.cached_input_tokens == CACHED
    if stream:
        assert "".join(heard) == ANSWER
        assert len(heard) > 3


async def test_the_key_the_idempotency_key_and_the_prompts_arrive(vendor: Vendor) -> None:
    await vendor.call("", system_prompt="Be brief.", max_tokens=77, temperature=0.5)
    headers, body = vendor.last.headers, vendor.last.body
    assert headers["idempotency-key"] == "run:step:1"
    assert KEY in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer "))
    assert PROMPT in json.dumps(body)
    assert "Be brief." in json.dumps(body)
    assert 77 in body.values()
    assert body["temperature"] == 0.5


async def test_a_schema_is_enforced_by_the_vendor(vendor: Vendor) -> None:
    reply = await vendor.call("", output_schema=SCHEMA)
    assert set(json.loads(reply.text)) == {"topic", "urgency"}


async def test_a_schema_the_model_does_not_take_is_put_into_words(vendor: Vendor) -> None:
    reply = await vendor.call("no-schema", output_schema=SCHEMA)
    assert reply.text == ANSWER
    body = json.dumps(vendor.last.body)
    assert "JSON Schema" in body
    assert "urgency" in body


async def test_json_without_a_schema_is_asked_for(vendor: Vendor) -> None:
    await vendor.call("", json_output=True)
    assert "JSON" in json.dumps(vendor.last.body)


async def test_a_refused_temperature_is_left_out_once_and_remembered(vendor: Vendor) -> None:
    reply = await vendor.call("no-temp", temperature=0.3)
    assert reply.text == ANSWER
    assert [("temperature" in seen.body) for seen in vendor.stub.requests] == [True, False]
    await vendor.call("no-temp", temperature=0.3)
    assert len(vendor.stub.requests) == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_rate_limit_says_how_long_to_wait(vendor: Vendor, stream: bool) -> None:
    error = await failure_of(vendor, "rate-limit-2.5", stream=stream)
    assert (error.code, error.retryable, error.retry_after, error.charged) == ("RATE_LIMITED", True, 2.5, False)
    assert len(vendor.stub.requests) == 1, "the engine retries, not the SDK"


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "BAD_REQUEST", False),
        (401, "AUTHENTICATION", False),
        (403, "AUTHENTICATION", False),
        (404, "BAD_REQUEST", False),
        (408, "TIMEOUT", True),
        (500, "VENDOR_ERROR", True),
        (503, "OVERLOADED", True),
        (529, "OVERLOADED", True),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_statuses_become_codes(vendor: Vendor, status: int, code: str, retryable: bool, stream: bool) -> None:
    error = await failure_of(vendor, f"error-{status}", stream=stream)
    assert (error.code, error.retryable, error.charged) == (code, retryable, False)
    assert error.context["status"] == status
    assert len(vendor.stub.requests) == 1


async def test_no_error_repeats_the_prompt_or_the_key(vendor: Vendor) -> None:
    # The stub's error bodies hold the prompt and a key, as some vendors' do.
    for scenario in ("error-400", "error-401", "error-500", "malformed", "shapeless"):
        error = await failure_of(vendor, scenario)
        shown = f"{error} {error!r} {error.context}"
        assert "walrus" not in shown
        assert "sk-" not in shown
        assert error.__cause__ is None
        assert error.__context__ is None, "a chained SDK exception would hold the request"


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_vendor_that_tells_the_key_is_not_quoted(vendor: Vendor, status: int) -> None:
    error = await failure_of(vendor, f"tell-{status}")
    assert not traces_of({"key": KEY}, f"{error} {error!r} {error.context}".encode())
    assert "vendor_type" not in error.context, "the stand-in says the key there as well"


@pytest.mark.parametrize("scenario", ["truncated", "cut"])
async def test_a_stream_that_ends_early_is_not_an_answer(vendor: Vendor, scenario: str) -> None:
    error = await failure_of(vendor, scenario, stream=True)
    assert (error.code, error.retryable) == ("TRUNCATED_STREAM", True)
    if vendor.kind == "anthropic":  # the only vendor that reports usage at the beginning
        assert error.charged
        assert isinstance(error.context["usage"], Usage)
    else:
        assert not error.charged


async def test_an_error_inside_a_stream_is_an_error(vendor: Vendor) -> None:
    error = await failure_of(vendor, "mid-error", stream=True)
    assert error.code in ("OVERLOADED", "VENDOR_ERROR")
    assert error.retryable


@pytest.mark.parametrize(
    ("scenario", "stream"), [("malformed", False), ("malformed", True), ("shapeless", False), ("html", False)]
)
async def test_what_cannot_be_read_is_malformed(vendor: Vendor, scenario: str, stream: bool) -> None:
    error = await failure_of(vendor, scenario, stream=stream)
    assert (error.code, error.retryable) == ("MALFORMED", True)


@pytest.mark.parametrize(("scenario", "stop"), [("long", "max_tokens"), ("refusal", "refusal")])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_reason_to_stop_is_told(vendor: Vendor, scenario: str, stop: str, stream: bool) -> None:
    reply = await vendor.call(scenario, (lambda piece: None) if stream else None)
    assert reply.stop_reason == stop
    assert reply.usage.output_tokens > 0


@pytest.mark.parametrize(("scenario", "stream"), [("hang", False), ("hang", True), ("stall", True)])
async def test_a_vendor_that_never_answers_times_out(vendor: Vendor, scenario: str, stream: bool) -> None:
    began = time.monotonic()
    error = await failure_of(vendor, scenario, stream=stream, timeout_seconds=0.4)
    assert (error.code, error.retryable) == ("TIMEOUT", True)
    assert time.monotonic() - began < 2
    assert await asyncio.to_thread(vendor.last.disconnected.wait, 1.0)


async def test_slow_tokens_do_not_extend_the_deadline(vendor: Vendor) -> None:
    heard: list[str] = []
    with pytest.raises(ProviderError, match="did not finish in time"):
        await vendor.call("slow", heard.append, timeout_seconds=0.3)
    assert heard, "it was streaming until the deadline"


@pytest.mark.parametrize("scenario", ["hang", "slow"])
async def test_cancelling_closes_the_connection(vendor: Vendor, scenario: str) -> None:
    first = asyncio.Event()
    task = asyncio.create_task(vendor.call(scenario, lambda piece: first.set()))
    if scenario == "slow":
        await asyncio.wait_for(first.wait(), 5)
    else:
        while not vendor.stub.requests:
            await asyncio.sleep(0)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(vendor.last.disconnected.wait, 1.0), "the vendor still streams to nobody"
    assert time.monotonic() - began < 1


async def test_a_refused_connection_can_be_tried_again(vendor: Vendor, unused_port: int) -> None:
    from dataclasses import replace

    from core.providers.router import Providers

    gone = f"http://127.0.0.1:{unused_port}"
    config = vendor.providers._config
    partners = tuple(replace(partner, base_url=gone) for partner in config.partners)
    elsewhere = replace(config, anthropic_base_url=gone, openai_base_url=gone, partners=partners)
    providers = Providers(elsewhere)
    with pytest.raises(ProviderError) as caught:
        await providers.port_for(vendor.card, None).complete(vendor.request(), None)
    assert (caught.value.code, caught.value.retryable) == ("CONNECTION", True)
    await providers.aclose()


async def test_what_the_listener_raises_is_not_the_vendors_failure(vendor: Vendor) -> None:
    def listen(piece: str) -> None:
        raise KeyError("the engine's own mistake")

    with pytest.raises(KeyError, match="own mistake"):
        await vendor.call("", listen)


async def test_two_hundred_calls_run_at_once(vendor: Vendor) -> None:
    vendor.stub.most_running = 0
    vendor.stub.delay_seconds = 0.6
    try:
        replies = await asyncio.gather(*(vendor.call() for _ in range(200)))
    finally:
        vendor.stub.delay_seconds = 0.0
    assert all(reply.text == ANSWER for reply in replies)
    assert vendor.stub.most_running > 150


async def test_calls_one_after_another_share_a_connection_whatever_becomes_of_them(vendor: Vendor) -> None:
    ports = set()
    for _ in range(5):
        await vendor.call()
        ports.add(vendor.last.client_port)
    assert len(ports) == 1
    for scenario in ("", "error-500", "", "cut", ""):
        with suppress(ProviderError):
            await vendor.call(scenario)
    slow = asyncio.create_task(vendor.call("slow", lambda piece: None))
    while not vendor.stub.running:
        await asyncio.sleep(0)
    slow.cancel()
    await asyncio.wait([slow])
    assert (await vendor.call()).text == ANSWER


async def test_calls_of_different_people_share_no_cookies(vendor: Vendor) -> None:
    await vendor.call()
    await vendor.call()
    assert "cookie" not in vendor.last.headers, "the vendor sets one with every answer"


async def test_a_connection_is_not_used_after_servers_close_it(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert uvicorn.Config(lambda: None).timeout_keep_alive > SERVER_KEEPS_SECONDS
    monkeypatch.setattr("core.providers.adapters.connections.SERVER_KEEPS_SECONDS", 0.0)
    ports = set()
    for _ in range(3):
        await vendor.call()
        ports.add(vendor.last.client_port)
    assert len(ports) == 3, "each call after the limit opens a connection"


async def test_an_own_key_is_used_and_never_replaced(vendor: Vendor) -> None:
    await vendor.providers.port_for(vendor.card, OwnKey("sk-own-key-abcdef")).complete(vendor.request(), None)
    assert "sk-own-key-abcdef" in str(vendor.last.headers)
    assert KEY not in str(vendor.last.headers)
    with pytest.raises(ProviderError) as caught:
        vendor.providers.port_for(vendor.card, OwnKey(""))
    assert caught.value.code == "NO_KEY"
