"""Prices: the vendors' from genai-prices' bundled data, the partners' from the operator's settings.

Everything is US dollars per million tokens, as `Decimal`. An unknown price is None, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.metadata import version
from typing import Any

from genai_prices import types as prices_data
from genai_prices.data_snapshot import DataSnapshot, get_snapshot

from core.providers.domain import PartnerConfig, Price, PriceTier
from core.shared.errors import InvalidInput

ONE_MILLION = Decimal(1_000_000)
MARGIN = re.compile(r"\d*(?:[-@:.].*)?", re.DOTALL)
_ALIASES = {
    "input": ("input", "input_usd_per_mtok", "input_mtok", "prompt"),
    "output": ("output", "output_usd_per_mtok", "output_mtok", "completion"),
    "cached_input": ("cached_input", "cached", "cached_input_usd_per_mtok", "cache_read", "cache_read_mtok"),
    "cache_write": ("cache_write", "cache_write_usd_per_mtok", "cache_write_mtok"),
}


def find_vendor(provider_id: str) -> prices_data.Provider | None:
    """The vendor's part of the bundled data, by its id."""
    return next((vendor for vendor in get_snapshot().providers if vendor.id == provider_id), None)


def find_vendor_by_url(base_url: str) -> prices_data.Provider | None:
    """The vendor whose API address this is: how a partner's prices are found."""
    for vendor in get_snapshot().providers:
        if re.match(vendor.api_pattern, base_url):
            return vendor
    return None


def find_vendor_model(vendor: prices_data.Provider, model_id: str) -> prices_data.ModelInfo | None:
    """The priced model this id names, dated and `-latest` forms included.

    genai-prices matches some ids by prefix, which would price a misspelt `claude-haiku-4-5x` as the model it
    begins with: what follows a prefix has to look like a date, a tag or a fine-tune's name.
    """
    info = vendor.find_model(model_id)
    if info is None or not _names(info.match, model_id.lower()):
        return None
    return info


def _names(match: prices_data.MatchLogic, model_id: str) -> bool:
    match match:
        case prices_data.ClauseOr():
            return any(_names(clause, model_id) for clause in match.or_)
        case prices_data.ClauseAnd():
            return all(_names(clause, model_id) for clause in match.and_)
        case prices_data.ClauseStartsWith():
            prefix = match.starts_with.lower()
            rest = model_id[len(prefix) :]
            return model_id.startswith(prefix) and (prefix.endswith("-") or bool(MARGIN.fullmatch(rest)))
        case _:
            return match.is_match(model_id)


@cache
def _source() -> str:
    return f"genai-prices {version('genai-prices')}"  # reading a package's metadata takes a millisecond


def vendor_price(info: prices_data.ModelInfo, now: datetime) -> Price | None:
    """The standard price of a model at `now`; None unless both directions are priced by the token."""
    listed = info.get_prices(now)
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    starts = sorted({start for key in _KEYS for start in _tier_starts(getattr(listed, key))})
    base = _tier_at(listed, 0)
    return Price(
        base.input_usd_per_mtok,
        base.output_usd_per_mtok,
        base.cached_input_usd_per_mtok,
        base.cache_write_usd_per_mtok,
        source=_source(),
        as_of=data_date(now.date()),
        tiers=tuple(_tier_at(listed, start) for start in starts),
    )


_KEYS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")


def _tier_starts(price: Decimal | prices_data.TieredPrices | None) -> list[int]:
    return [tier.start for tier in price.tiers] if isinstance(price, prices_data.TieredPrices) else []


def _tier_at(listed: prices_data.ModelPrice, start: int) -> PriceTier:
    def one(key: str, fallback: Decimal) -> Decimal:
        price = getattr(listed, key)
        if price is None:
            return fallback
        if not isinstance(price, prices_data.TieredPrices):
            return Decimal(price)
        reached = [tier.price for tier in price.tiers if tier.start <= start] if start else []
        return Decimal(reached[-1] if reached else price.base)

    input_price = one("input_mtok", Decimal(0))
    return PriceTier(
        start,
        input_price,
        one("output_mtok", Decimal(0)),
        one("cache_read_mtok", input_price),
        one("cache_write_mtok", input_price),
    )


@cache
def data_date(today: date) -> str:
    """The newest date up to `today` the bundled price data knows of: prices are at least that recent."""
    past = [day for day in _dates_of(get_snapshot()) if day <= today]
    return max(past, default=today).isoformat()


def _dates_of(snapshot: DataSnapshot) -> Iterator[date]:
    for vendor in snapshot.providers:
        for info in vendor.models:
            if isinstance(info.prices, list):
                for priced in info.prices:
                    if isinstance(priced.constraint, prices_data.StartDateConstraint):
                        yield priced.constraint.start_date


def partner_price(partner: PartnerConfig, model: str, now: datetime) -> Price | None:
    """The operator's price of a partner's model, else the bundled data's for that address.

    Raises InvalidInput (`INVALID_SETTINGS`) for a price that cannot be read.
    """
    configured = _configured(partner, model)
    if configured is not None:
        return _read_price(partner, model, configured, now)
    vendor = find_vendor_by_url(partner.base_url) or find_vendor(partner.name.lower())
    info = find_vendor_model(vendor, model) if vendor else None
    return vendor_price(info, now) if info else None


def _configured(partner: PartnerConfig, model: str) -> Mapping[str, Any] | None:
    own = partner.prices.get(model)
    if isinstance(own, Mapping):
        return own
    if isinstance(own, (list, tuple)) and len(own) == 2:
        return {"input": own[0], "output": own[1]}
    if own is not None:
        raise _unreadable(partner, model)
    flat = any(alias in partner.prices for alias in _ALIASES["input"] if alias not in partner.models)
    return partner.prices if flat else None


def _read_price(partner: PartnerConfig, model: str, given: Mapping[str, Any], now: datetime) -> Price:
    def one(name: str) -> Decimal | None:
        raw = next((given[alias] for alias in _ALIASES[name] if given.get(alias) is not None), None)
        if raw is None:
            return None
        try:
            amount = Decimal(str(raw))
        except InvalidOperation:
            raise _unreadable(partner, model) from None
        if isinstance(raw, bool) or not amount.is_finite() or amount < 0:
            raise _unreadable(partner, model)
        return amount

    input_price, output_price = one("input"), one("output")
    if input_price is None or output_price is None:
        raise _unreadable(partner, model)
    cached, written = one("cached_input"), one("cache_write")
    return Price(
        input_price,
        output_price,
        input_price if cached is None else cached,
        input_price if written is None else written,
        source=f"settings of {partner.name}",
        as_of=now.date().isoformat(),
    )


def _unreadable(partner: PartnerConfig, model: str) -> InvalidInput:
    return InvalidInput(
        "INVALID_SETTINGS",
        f"LLAMA_PARTNERS: the price of {model} at {partner.name} must name input and output "
        "in US dollars per million tokens, for example {'input': 0.1, 'output': 0.3}.",
    )
