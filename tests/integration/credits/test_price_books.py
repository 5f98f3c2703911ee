"""Prices that are shown and charged: the vendors' dollars times 1.25, and the version that a run began with."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from core.accounts.commands import create_account
from core.accounts.domain import Account
from core.credits.commands import set_credits
from core.credits.models import LedgerTransaction, PriceBookRow
from core.credits.queries import verify_ledger
from core.execution.commands import start_run
from core.execution.domain import RunView
from core.execution.engine import Engine, run_to_end
from core.execution.queries import get_run
from core.pipelines.commands import create_pipeline
from core.platform.runtime import Runtime
from core.shared.errors import ProviderError
from core.shared.money import MICROS
from tests.conftest import PASSWORD
from tests.support.vendor_stub import StubServer
from web.api.app import build_api

# US dollars per million tokens, input / output / cached input / cache writes, from the vendors' pages: Haiku 4.5
# 1 / 5 / 0.1 / 1.25, Sonnet 4.5 3 / 15 / 0.3 / 3.75, GPT-4.1 mini 0.4 / 1.6 / 0.1 and nothing more for writing, Llama
# 3.3 70B at Groq 0.59 / 0.79 and at Together 0.88 / 0.88 without prices for caches. Here times 1.25, by hand.
# https://claude.com/pricing, https://openai.com/api/pricing, https://groq.com/pricing, https://www.together.ai/pricing
SHOWN = {
    "claude-haiku-4-5": (1.25, 6.25, 0.125, 1.5625),
    "claude-sonnet-4-5": (3.75, 18.75, 0.375, 4.6875),
    "gpt-4.1-mini": (0.5, 2.0, 0.125, 0.5),
    "llama-3.3-70b-versatile": (0.7375, 0.9875, 0.7375, 0.7375),
    "meta-llama/Llama-3.3-70B-Instruct-Turbo": (1.1, 1.1, 1.1, 1.1),
}
# What the call below costs on the Starter plan, where a credit is a US cent: it reads 78 tokens, of them 4 from a cache
# and 2 into one (the Llama partners tell no writing), and writes 49. For Haiku, in millionths of a dollar:
# 72 x 1 + 4 x 0.1 + 2 x 1.25 + 49 x 5 = 319.9; times 125 credits a dollar: 0.0399875, in micro-credits rounded up.
CHARGED = {
    "claude-haiku-4-5": 39_988,
    "claude-sonnet-4-5": 119_963,  # (72 x 3 + 4 x 0.3 + 2 x 3.75 + 49 x 15) x 125
    "gpt-4.1-mini": 13_550,  # (72 x 0.4 + 4 x 0.1 + 2 x 0.4 + 49 x 1.6) x 125
    "llama-3.3-70b-versatile": 10_592,  # (78 x 0.59 + 49 x 0.79) x 125
    "meta-llama/Llama-3.3-70B-Instruct-Turbo": 13_970,  # (78 + 49) x 0.88 x 125
}
NAMES = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok", "cache_write_usd_per_mtok")


@pytest.fixture
def settings(database_settings: dict[str, str], vendor: StubServer) -> dict[str, Any]:
    """All vendors behind the stand-in, the two Llama partners under the names that their prices are found by."""
    partners = [
        {"name": name, "base_url": f"{vendor.url}/v1", "api_key": "k", "models": [model]}
        for name, model in (("groq", "llama-3.3-70b-versatile"), ("together", list(SHOWN)[-1]))
    ]
    named = {"anthropic_api_key": "sk-ant-test", "anthropic_base_url": vendor.url, "openai_api_key": "sk-test"}
    return {
        **database_settings, **named, "openai_base_url": f"{vendor.url}/v1", "llama_partners": partners,
    }  # fmt: skip


@pytest.fixture
def runtime(runtime_with: Callable[..., Runtime], settings: dict[str, Any]) -> Runtime:
    return runtime_with(**settings)


@pytest.fixture
def person(runtime: Runtime) -> Account:
    made = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")
    set_credits(runtime, made, micros=1000 * MICROS)
    return made


async def run_once(runtime: Runtime, person: Account, definition: dict[str, Any]) -> RunView:
    pipeline = create_pipeline(runtime, person, definition)
    return await finish(runtime, person, start_run(runtime, person, pipeline.id, {}).id)


async def finish(runtime: Runtime, person: Account, run_id: str) -> RunView:
    engine = Engine(runtime, "serve:test")
    await run_to_end(engine, run_id)
    engine.close()
    await runtime.providers.aclose()
    return get_run(runtime, person.id, run_id)


def settled(runtime: Runtime, run_id: str, step: str = "say") -> LedgerTransaction:
    with runtime.database.read() as session:
        charge = select(LedgerTransaction).where(LedgerTransaction.cause == f"{run_id}:{step}:1")
        return session.scalars(charge.where(LedgerTransaction.kind == "settle")).one()


async def test_prices_shown_and_charged_are_the_vendors_dollars_times_the_markup(
    runtime: Runtime, person: Account
) -> None:
    items = TestClient(build_api(runtime)).get("/models").json()["items"]
    prices = {item["id"]: tuple(item["prices"][name] for name in NAMES) for item in items if item["id"] in SHOWN}
    assert prices == SHOWN
    text = "Say hello to everyone in the room. " * 9
    steps = [{"id": f"s{n}", "model": model, "prompt": text, "max_tokens": 400} for n, model in enumerate(SHOWN)]
    run = await run_once(runtime, person, {"name": "Five", "version": 1, "steps": steps})
    assert run.status == "completed"
    for step in run.steps:
        model = str(step.model)
        assert (step.input_tokens, step.output_tokens) == (78, 49)
        charge = settled(runtime, run.id, step.step_id)
        assert charge.spent_micros == step.credit_micros == CHARGED[model], model
        assert step.cost_micro_cents == CHARGED[model], "the same in US cents: a credit is one"
        assert (charge.cached_tokens, charge.written_tokens) == (4, 0 if "lama" in model else 2)
        assert (charge.input_tokens, charge.output_tokens) == (78, 49)
        assert charge.model == f"{step.provider}/{model}" and charge.pipeline_id == run.pipeline_id
        assert charge.price_version == runtime.prices.current(runtime).version
    assert verify_ledger(runtime).problems == ()


async def test_a_run_is_priced_by_the_version_it_began_with_over_a_restart(
    runtime_with: Callable[..., Runtime], settings: dict[str, Any], vendor: StubServer
) -> None:
    def at(price: float) -> Runtime:
        partner = {"name": "local", "base_url": f"{vendor.url}/v1", "api_key": "k", "models": ["small"]}
        partner |= {"prices": {"small": {"input": price, "output": price}}}
        return runtime_with(**{**settings, "llama_partners": [partner]})

    cheap = at(10)
    person = create_account(cheap, email="ada@example.org", password=PASSWORD, plan="starter")
    set_credits(cheap, person, micros=1000 * MICROS)
    steps = [{"id": "say", "model": "small", "prompt": "Say hello", "max_tokens": 50}]
    definition = {"name": "One", "version": 1, "steps": steps}
    begun = start_run(cheap, person, create_pipeline(cheap, person, definition).id, {})
    dear = at(100)  # the operator raised the price, and started anew
    before = await finish(dear, person, begun.id)
    after = await run_once(dear, person, definition)
    assert before.steps[0].credit_micros * 10 == after.steps[0].credit_micros > 0
    assert before.quote.max_micros < after.quote.max_micros
    old, new = settled(dear, before.id), settled(dear, after.id)
    assert (old.price_version, new.price_version) == (
        cheap.prices.current(cheap).version, dear.prices.current(dear).version,
    )  # fmt: skip
    assert old.price_version != new.price_version
    assert dear.prices.find(dear, str(old.price_version)).prices["local/small"].input_usd_per_mtok == 10
    assert verify_ledger(dear).problems == (), "each charge is within its own book"
    again = at(10)
    assert again.prices.current(again).version == old.price_version, "the same prices are the same book"
    with again.database.read() as session:
        assert session.scalar(select(func.count()).select_from(PriceBookRow)) == 2


def test_a_book_is_written_once_however_many_ask_at_once(runtime: Runtime) -> None:
    def ask(_: int) -> str:
        return type(runtime.prices)().current(runtime).version

    with runtime.database.write() as session:
        session.query(PriceBookRow).delete()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(PriceBookRow)) == 1


def test_a_model_without_a_price_is_refused_on_platform_keys(
    runtime_with: Callable[..., Runtime], settings: dict[str, Any], vendor: StubServer
) -> None:
    partner = {"name": "local", "base_url": f"{vendor.url}/v1", "api_key": "k", "models": ["homemade"]}
    runtime = runtime_with(**{**settings, "llama_partners": [partner]})
    person = create_account(runtime, email="ada@example.org", password=PASSWORD, plan="starter")
    steps = [{"id": "say", "model": "homemade", "prompt": "Say hello"}]
    pipeline = create_pipeline(runtime, person, {"name": "One", "version": 1, "steps": steps}).id
    with pytest.raises(ProviderError, match=r"price of homemade is unknown.*own key or another model") as refusal:
        start_run(runtime, person, pipeline, {})
    assert refusal.value.code == "NO_PRICE"
