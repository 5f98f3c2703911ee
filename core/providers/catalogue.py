"""Which models exist, what they cost, and what their vendors do with data."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from genai_prices.types import ModelInfo

from core.providers import limits
from core.providers.domain import (
    ANTHROPIC,
    DEMO_MODEL,
    DEMO_PROVIDER,
    OPENAI,
    ModelApi,
    ModelCard,
    PartnerConfig,
    Price,
    ProviderConfig,
    ProviderTerms,
    Usage,
)
from core.providers.images import sees
from core.providers.prices import (
    ONE_MILLION,
    find_vendor,
    find_vendor_by_url,
    find_vendor_model,
    partner_price,
    vendor_price,
)
from core.providers.terms import TERMS_CHECKED_AT, partner_terms, region_of, terms_of
from core.shared.clock import Clock, SystemClock
from core.shared.errors import InvalidInput

VENDORS = (ANTHROPIC, OPENAI)
BATCH_SHARE = Decimal("0.5")
"""Both vendors bill a batch at half of all prices (Anthropic, "Batch processing"; OpenAI, "Batch API")."""
DEMO_LABEL = "demo model, not a language model"

# Priced by the token, but not text in and text out through the APIs spoken here.
_NOT_TEXT = re.compile(
    r"image|audio|realtime|transcribe|tts|whisper|embedding|moderation|live|computer-use|deep-research|:extended"
    r"|instruct|davinci|curie|babbage|^ada$|gpt-oss|rosalind|claude-v1|^gpt-3\.5-0301$"
)
# Names with a meaning only as the beginning of another one.
_PREFIX_ONLY = re.compile(r"^ft:|\.ft-$")

# The middle of each vendor's range, newest first: the default when its key is the first one set.
_PREFERRED = {
    ANTHROPIC: ("claude-sonnet-5-5", "claude-sonnet-5", "claude-sonnet-4-6", "claude-sonnet-4-5"),
    OPENAI: ("gpt-6.1-terra", "gpt-5.6-terra", "gpt-5.4-mini", "gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini"),
}


class Catalogue:
    """The models of this installation.

    Prices are those of the clock's half hour, because vendors announce changes ahead and some charge by the
    time of day. Raises InvalidInput (`INVALID_SETTINGS`) when a partner's prices cannot be read.
    """

    def __init__(self, config: ProviderConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._partners = _checked_partners(config.partners)
        self._priced_for: datetime | None = None
        self._listed: dict[str, ModelCard] = {}
        self._found: dict[str, ModelCard | None] = {}
        self._refresh()

    def find(self, model_id: str) -> ModelCard | None:
        """The card of a model id, dated vendor ids and `partner/model` included."""
        self._refresh()
        if model_id in self._listed:
            return self._listed[model_id]
        if model_id not in self._found:
            if len(self._found) > 10_000:  # ids come from people: bound what they can make us keep
                self._found.clear()
            self._found[model_id] = self._find_unlisted(model_id)
        return self._found[model_id]

    def list(self) -> tuple[ModelCard, ...]:
        """Every model that can be listed: the demo, then the vendors', then the partners'."""
        self._refresh()
        return tuple(self._listed.values())

    @property
    def edition(self) -> object:
        """What the prices of now are one edition of: it is another one when they may have changed."""
        self._refresh()
        return self._priced_for

    def prices(self) -> dict[str, Price]:
        """The price of everything that is priced, by provider and model: also of what is found without being listed."""
        now = self._clock.now()
        found: dict[str, Price] = {}
        for card in _vendor_cards(_half_hour(now)):
            if card.price is not None:
                found[card.priced_as] = card.price
        for partner in self._partners.values():
            for model in partner.models:
                card = self._partner_card(partner, model, now)
                if card.price is not None:
                    found[card.priced_as] = card.price
        return found

    def default_model(self) -> str:
        """The model of steps that name none: `demo` until a platform key exists."""
        for vendor in VENDORS:
            if self.platform_key_available(vendor):
                for model_id in _PREFERRED[vendor]:
                    if self.find(model_id):
                        return model_id
        for partner in self._partners.values():
            cards = [self._partner_card(partner, model, self._clock.now()) for model in partner.models]
            for card in sorted(cards, key=lambda card: card.price is None):
                found = self.find(card.id)
                return card.id if found and found.provider == partner.name else f"{partner.name}/{card.id}"
        return DEMO_MODEL

    def suggest(self, model_id: str) -> str | None:
        """The known id that looks most like this one, or None."""
        self._refresh()
        known = {card.lower(): card for card in self._listed}
        asked = model_id.strip().lower()
        if asked in known:
            return known[asked]
        close = difflib.get_close_matches(asked, known, n=1, cutoff=0.6)
        if close:
            return known[close[0]]
        longer = [card for lower, card in known.items() if len(asked) > 2 and lower.startswith(asked)]
        return longer[-1] if longer else None

    def cost_usd(self, card: ModelCard, usage: Usage) -> Decimal | None:
        """What the vendor bills for a call, cached and cache-written tokens at their own prices."""
        if card.free:
            return Decimal(0)
        return None if card.price is None else _bill(card.price, usage)

    def worst_cost_usd(self, card: ModelCard, input_tokens: int, output_tokens: int) -> Decimal | None:
        """The most such a call can cost: some vendors bill writing to their cache above the input price."""
        if card.free:
            return Decimal(0)
        if card.price is None:
            return None
        dearest = max(
            _bill(card.price, Usage(input_tokens, output_tokens)),
            _bill(card.price, Usage(input_tokens, output_tokens, cache_write_tokens=input_tokens)),
        )
        return max(dearest, _bill(card.price, Usage(input_tokens, output_tokens, input_tokens)))

    def platform_key_available(self, provider: str) -> bool:
        """Whether the installation itself can call this provider."""
        if provider == ANTHROPIC:
            return bool(self._config.anthropic_api_key)
        if provider == OPENAI:
            return bool(self._config.openai_api_key)
        return provider == DEMO_PROVIDER or provider in self._partners

    def providers(self) -> tuple[str, ...]:
        """Every provider by name, the demo included."""
        return (DEMO_PROVIDER, *VENDORS, *self._partners)

    def vendors(self) -> tuple[str, ...]:
        """Every provider that people may bring their own key for."""
        return (*VENDORS, *self._partners)

    def provider_terms(self, provider: str) -> ProviderTerms | None:
        """Where a provider processes and its terms; None for one that is not offered here any more."""
        if provider in self._partners:
            partner = self._partners[provider]
            return ProviderTerms(provider, partner.region or "unknown", partner_terms(partner))
        if provider not in (DEMO_PROVIDER, *VENDORS):
            return None
        return ProviderTerms(provider, region_of(provider), terms_of(provider))

    def _refresh(self) -> None:
        now = self._clock.now()
        period = _half_hour(now)
        if period != self._priced_for:
            self._found = {}
            self._listed = self._list_at(now)
            self._priced_for = period

    def _list_at(self, now: datetime) -> dict[str, ModelCard]:
        cards = [_demo_card()]
        cards += [card for card in _vendor_cards(_half_hour(now)) if not _PREFIX_ONLY.search(card.id)]
        for partner in self._partners.values():
            cards.extend(self._partner_card(partner, model, now) for model in partner.models)
        listed: dict[str, ModelCard] = {}
        for card in cards:
            if card.id in listed:  # a name two providers share stays reachable as partner/model
                named = f"{card.provider}/{card.id}"
                listed[named] = _renamed(card, named)
            else:
                listed[card.id] = card
        return listed

    def _find_unlisted(self, model_id: str) -> ModelCard | None:
        now = self._clock.now()
        partner_name, slash, rest = model_id.partition("/")
        if slash and partner_name in self._partners and rest in self._partners[partner_name].models:
            return _renamed(self._partner_card(self._partners[partner_name], rest, now), model_id)
        for vendor_id in VENDORS:
            vendor = find_vendor(vendor_id)
            info = find_vendor_model(vendor, model_id) if vendor else None
            if info and (card := _vendor_card(vendor_id, info, model_id, now)):
                return card
        return None

    def _partner_card(self, partner: PartnerConfig, model: str, now: datetime) -> ModelCard:
        vendor = find_vendor_by_url(partner.base_url) or find_vendor(partner.name.lower())
        info = find_vendor_model(vendor, model) if vendor else None
        context = info.context_window if info else None
        return ModelCard(
            id=model,
            provider=partner.name,
            context_tokens=context,
            max_output_tokens=min(limits.PARTNER_OUTPUT_TOKENS, context // 2 if context else 10**9),
            price=partner_price(partner, model, now),
            json=True,
            region=partner.region or "unknown",
            data_terms=partner_terms(partner),
            label=model,
            api="chat",
            vendor_model=model,
            vision=sees(partner.name, model),
            priced_as=f"{partner.name}/{model}",
        )


def _bill(price: Price, usage: Usage) -> Decimal:
    at = price.at(usage.input_tokens)
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    written = min(usage.cache_write_tokens, usage.input_tokens - cached)
    plain = usage.input_tokens - cached - written
    total = (
        plain * at.input_usd_per_mtok
        + cached * at.cached_input_usd_per_mtok
        + written * at.cache_write_usd_per_mtok
        + usage.output_tokens * at.output_usd_per_mtok
    )
    return total * (BATCH_SHARE if usage.batch else 1) / ONE_MILLION


def _half_hour(now: datetime) -> datetime:
    return now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)


@lru_cache(maxsize=8)
def _vendor_cards(now: datetime) -> tuple[ModelCard, ...]:
    """Every model of the vendors that can be used, at the prices of a half hour; the same for all installations."""
    found = (
        _vendor_card(vendor_id, info, info.id, now)
        for vendor_id in VENDORS
        if (vendor := find_vendor(vendor_id))
        for info in vendor.models
    )
    return tuple(card for card in found if card is not None)


def _vendor_card(vendor: str, info: ModelInfo, model_id: str, now: datetime) -> ModelCard | None:
    if _NOT_TEXT.search(info.id) or _NOT_TEXT.search(model_id):
        return None
    price = vendor_price(info, now)
    if price is None:
        return None
    api: ModelApi = "messages"
    if vendor == OPENAI:
        api = "chat" if limits.needs_chat_api(model_id) else "responses"
    output = limits.vendor_output_tokens(model_id)
    if output is not None and info.context_window is not None:
        output = min(output, info.context_window)
    return ModelCard(
        id=model_id,
        provider=vendor,
        context_tokens=info.context_window,
        max_output_tokens=output,
        price=price,
        json=True,
        region=region_of(vendor),
        data_terms=terms_of(vendor),
        label=info.name or model_id,
        api=api,
        vendor_model=model_id,
        vision=sees(vendor, model_id),
        tools=limits.takes_tools(model_id),
        priced_as=f"{vendor}/{info.id}",
    )


def _demo_card() -> ModelCard:
    nothing = Decimal(0)
    return ModelCard(
        id=DEMO_MODEL,
        provider=DEMO_PROVIDER,
        context_tokens=None,
        max_output_tokens=limits.DEMO_OUTPUT_TOKENS,
        price=Price(nothing, nothing, nothing, nothing, source="built in", as_of=TERMS_CHECKED_AT),
        json=True,
        region=region_of(DEMO_PROVIDER),
        data_terms=terms_of(DEMO_PROVIDER),
        free=True,
        label=DEMO_LABEL,
        api="demo",
        vendor_model=DEMO_MODEL,
        tools=False,
    )


def _renamed(card: ModelCard, model_id: str) -> ModelCard:
    return replace(card, id=model_id)


def _checked_partners(partners: tuple[PartnerConfig, ...]) -> dict[str, PartnerConfig]:
    checked: dict[str, PartnerConfig] = {}
    for partner in partners:
        if partner.name in (*VENDORS, DEMO_PROVIDER) or partner.name in checked:
            raise InvalidInput("INVALID_SETTINGS", f"LLAMA_PARTNERS: the name {partner.name} is taken; choose another.")
        checked[partner.name] = partner
    return checked
