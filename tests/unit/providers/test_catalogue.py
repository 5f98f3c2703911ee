from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import calc_price
from genai_prices.types import Usage as TheirUsage
from hypothesis import given
from hypothesis import strategies as st

from core.accounts.domain import OwnKey
from core.providers.catalogue import DEMO_LABEL, Catalogue
from core.providers.domain import PartnerConfig, ProviderConfig, Usage
from core.providers.prices import vendor_price
from core.providers.router import Providers
from core.shared.errors import InvalidInput, ProviderError


class At:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GROQ = PartnerConfig(
    "groq", "https://api.groq.com/openai/v1", "gsk", ("llama-3.3-70b-versatile", "homemade"), region="US"
)
LOCAL = PartnerConfig(
    "ollama", "http://127.0.0.1:11434/v1", "", ("llama3", "gpt-4o"), {"input": 0.1, "output": "0.3"}, "EU"
)
PLAIN = Catalogue(ProviderConfig(), At(NOON))


def with_partners(*partners: PartnerConfig) -> Catalogue:
    return Catalogue(ProviderConfig(partners=partners), At(NOON))


def test_every_listed_model_is_found_and_has_a_dated_price() -> None:
    cards = PLAIN.list()
    assert {card.provider for card in cards} == {"demo", "anthropic", "openai"}
    assert len(cards) > 60
    for card in cards:
        assert PLAIN.find(card.id) == card
        assert card.price is not None
        assert date.fromisoformat(card.price.as_of) <= NOON.date()
        assert card.max_output_tokens
        assert card.data_terms.checked_at
        assert card.free == (card.provider == "demo")
        assert card.free or card.price.input_usd_per_mtok > 0


@pytest.mark.parametrize(
    "model_id",
    ["claude-3-5-haiku-20241022", "claude-sonnet-4-20250514", "gpt-4o-2024-08-06", "o3-mini-2025-01-31", "gpt-4-0613"],
)
def test_dated_ids_are_known(model_id: str) -> None:
    card = PLAIN.find(model_id)
    assert card is not None
    assert card.id == card.vendor_model == model_id
    assert card.price is not None


@pytest.mark.parametrize(
    "model_id",
    [
        "",
        "claude",
        "gpt-99",
        "claude-haiku-4-5x",
        "whisper-1",
        "text-embedding-3-small",
        "gpt-image-1",
        "groq/x",
        "a/b",
    ],
)
def test_ids_of_no_text_model_are_unknown(model_id: str) -> None:
    assert PLAIN.find(model_id) is None


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("gpt4o", "gpt-4o"), ("Demo", "demo"), ("claude-sonet-4-5", "claude-sonnet-4-5"), ("zzzzzz", None), ("", None)],
)
def test_a_suggestion_is_the_closest_known_id(typo: str, meant: str | None) -> None:
    assert PLAIN.suggest(typo) == meant


@given(
    st.sampled_from([card.id for card in PLAIN.list() if not card.free]),
    st.integers(0, 900_000),
    st.integers(0, 128_000),
    st.integers(0, 300_000),
    st.integers(0, 300_000),
)
def test_a_cost_is_what_genai_prices_computes(model: str, plain: int, output: int, cached: int, written: int) -> None:
    card = PLAIN.find(model)
    assert card is not None and card.price is not None
    theirs = TheirUsage(
        input_tokens=plain + cached + written,
        output_tokens=output,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
    expected = calc_price(theirs, model, provider_id=card.provider, genai_request_timestamp=NOON)
    ours = PLAIN.cost_usd(card, Usage(plain + cached + written, output, cached, written))
    assert ours == expected.total_price
    worst = PLAIN.worst_cost_usd(card, plain + cached + written, output)
    assert worst is not None and ours is not None and worst >= ours


def test_a_price_announced_ahead_holds_from_its_day() -> None:
    before = Catalogue(ProviderConfig(), At(datetime(2026, 7, 1, tzinfo=UTC))).find("gpt-5.6-luna")
    after = PLAIN.find("gpt-5.6-luna")
    assert before and after and before.price and after.price
    assert before.price.input_usd_per_mtok == Decimal(1)
    assert after.price.input_usd_per_mtok == Decimal("0.2")


def test_a_running_catalogue_takes_up_a_new_price() -> None:
    clock = At(datetime(2026, 7, 29, 23, 59, tzinfo=UTC))
    catalogue = Catalogue(ProviderConfig(), clock)
    before = catalogue.find("gpt-5.6-luna")
    clock.moment += timedelta(hours=1)
    after = catalogue.find("gpt-5.6-luna")
    assert before and after and before.price != after.price


def test_an_unknown_price_is_none_and_refused_on_platform_keys() -> None:
    catalogue = with_partners(GROQ)
    card = catalogue.find("homemade")
    assert card is not None and card.price is None
    assert catalogue.cost_usd(card, Usage(10, 10)) is None
    assert catalogue.worst_cost_usd(card, 10, 10) is None
    providers = Providers(ProviderConfig(partners=(GROQ,)))
    with pytest.raises(ProviderError) as caught:
        providers.port_for(card, None)
    assert caught.value.code == "NO_PRICE"
    assert providers.port_for(card, OwnKey("own-key")) is not None


def test_partner_prices_come_from_settings_else_from_the_bundled_data() -> None:
    catalogue = with_partners(GROQ, LOCAL)
    listed, own = catalogue.find("llama-3.3-70b-versatile"), catalogue.find("llama3")
    assert listed and listed.price and listed.price.source.startswith("genai-prices")
    assert own and own.price and own.price.source == "settings of ollama"
    assert (own.price.input_usd_per_mtok, own.price.output_usd_per_mtok) == (Decimal("0.1"), Decimal("0.3"))
    assert own.provider == "ollama"
    assert own.region == "EU"


def test_a_name_two_providers_share_stays_reachable() -> None:
    catalogue = with_partners(LOCAL)
    vendors, partners = catalogue.find("gpt-4o"), catalogue.find("ollama/gpt-4o")
    assert vendors and partners
    assert (vendors.provider, partners.provider, partners.vendor_model) == ("openai", "ollama", "gpt-4o")


def test_prices_by_model_win_and_zero_is_a_price() -> None:
    partner = replace(LOCAL, prices={"llama3": {"input": 0, "output": 0, "cached_input": 0}})
    card = with_partners(partner).find("llama3")
    assert card and card.price and card.price.input_usd_per_mtok == 0
    assert with_partners(partner).cost_usd(card, Usage(5, 5)) == 0


@pytest.mark.parametrize("price", [{"input": 1}, {"input": "dear", "output": 1}, {"input": -1, "output": 1}, 3])
def test_a_price_that_cannot_be_read_refuses_the_start(price: object) -> None:
    with pytest.raises(InvalidInput, match="LLAMA_PARTNERS"):
        with_partners(replace(LOCAL, prices={"llama3": price}))


@pytest.mark.parametrize("name", ["openai", "demo", "ollama"])
def test_partner_names_are_unique(name: str) -> None:
    with pytest.raises(InvalidInput, match="LLAMA_PARTNERS"):
        with_partners(LOCAL, replace(LOCAL, name=name))


def test_the_default_model_is_the_demo_until_a_key_exists() -> None:
    assert PLAIN.default_model() == "demo"
    claude = Catalogue(ProviderConfig(anthropic_api_key="k", openai_api_key="k"), At(NOON))
    assert claude.default_model() == "claude-sonnet-5-5"
    assert Catalogue(ProviderConfig(openai_api_key="k"), At(NOON)).default_model() == "gpt-6.1-terra"
    assert with_partners(GROQ).default_model() == "llama-3.3-70b-versatile"
    only_shared = with_partners(replace(LOCAL, models=("gpt-4o",)))
    chosen = only_shared.find(only_shared.default_model())
    assert chosen and chosen.provider == "ollama"


def test_keys_are_known_to_exist_but_never_shown() -> None:
    config = ProviderConfig(anthropic_api_key="sk-very-secret", partners=(replace(GROQ, api_key="gsk-very-secret"),))
    catalogue = Catalogue(config)
    assert catalogue.platform_key_available("anthropic")
    assert not catalogue.platform_key_available("openai")
    assert catalogue.platform_key_available("groq")
    assert catalogue.platform_key_available("demo")
    assert not catalogue.platform_key_available("elsewhere")
    assert Providers(config).providers_needing_key() == ("openai",)
    assert "secret" not in repr(config)


def test_a_vendor_without_a_key_is_refused() -> None:
    card = PLAIN.find("gpt-4o")
    assert card is not None
    with pytest.raises(ProviderError) as caught:
        Providers(ProviderConfig()).port_for(card, None)
    assert (caught.value.code, caught.value.retryable) == ("NO_KEY", False)


def test_the_demo_says_what_it_is_and_costs_nothing() -> None:
    card = PLAIN.find("demo")
    assert card is not None
    assert card.label == DEMO_LABEL == "demo model, not a language model"
    assert PLAIN.cost_usd(card, Usage(1_000_000, 1_000_000)) == 0


def test_every_provider_states_its_data_terms() -> None:
    terms = {card.provider: card.data_terms for card in with_partners(GROQ).list()}
    assert "not used to train" in terms["anthropic"].training
    assert "by default" in terms["openai"].training
    assert "Depends on the partner" in terms["groq"].training


def test_models_not_priced_by_the_token_have_no_price() -> None:
    from core.providers.prices import find_vendor

    vendor = find_vendor("openai")
    assert vendor is not None
    whisper = next(info for info in vendor.models if info.id == "whisper-1")
    assert vendor_price(whisper, NOON) is None
