"""The price book: what a call costs here, under a version that names its own content. Pure.

A book holds the vendors' prices, the markup and what a credit buys on each plan, as they were at one moment. Its
version is the day it was taken and the beginning of the SHA-256 of its content: whoever has a ledger, whose chain
covers the version of each charge, can prove which prices were charged.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from core.accounts.plans import PLANS
from core.credits.domain import MARKUP
from core.providers.domain import ModelCard, Price, PriceTier
from core.shared.money import MICROS

DIGEST_LETTERS = 12
_TIER = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok", "cache_write_usd_per_mtok")


@dataclass(frozen=True, slots=True)
class Rates:
    """A price book as it holds for one plan. `credit_value_cents`: US cents of usage that a credit buys."""

    version: str
    plan: str
    markup: Decimal
    credit_value_cents: Decimal
    prices: Mapping[str, Price]

    def priced(self, card: ModelCard) -> ModelCard:
        """The model with this book's price; one the book does not hold keeps today's, as new models do."""
        price = self.prices.get(card.priced_as)
        return card if price is None or price == card.price else replace(card, price=price)

    def micros(self, cost_usd: Decimal) -> int:
        """Micro-credits of a vendor cost: cents x markup / the plan's credit value, rounded up once."""
        credits = cost_usd * 100 * self.markup / self.credit_value_cents
        return int((credits * MICROS).to_integral_value(rounding=ROUND_CEILING))

    def cents(self, cost_usd: Decimal) -> Decimal:
        """US cents of a vendor cost after the markup."""
        return cost_usd * 100 * self.markup


@dataclass(frozen=True, slots=True)
class PriceBook:
    """One version of the prices. `prices`: by provider and model, as `ModelCard.priced_as` names them."""

    version: str
    taken_at: datetime
    markup: Decimal
    credit_values_cents: Mapping[str, Decimal]
    prices: Mapping[str, Price]

    def rates(self, plan: str) -> Rates:
        """The book for a plan; a plan made after the book was taken has today's credit value."""
        value = self.credit_values_cents.get(plan) or PLANS[plan].credit_value_cents
        return Rates(self.version, plan, self.markup, value, self.prices)


def content_of(prices: Mapping[str, Price]) -> str:
    """The canonical text of a book of these prices, with the markup and the plans of now.

    Without the dates of the single prices: those move on although no price does.
    """
    values = {plan.name: _plain(plan.credit_value_cents) for plan in PLANS.values()}
    return _canonical(
        {
            "markup": _plain(MARKUP),
            "credit_value_cents": values,
            "usd_per_mtok": {name: _price_content(price) for name, price in prices.items()},
        }
    )


def version_of(content: str, taken_at: datetime) -> str:
    """The name of a book: the day it was taken, and what its content hashes to."""
    return f"{taken_at:%Y-%m-%d}.{digest_of(content)}"


def digest_of(content: str) -> str:
    """The part of a version that the content decides."""
    return hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LETTERS]


def is_genuine(version: str, content: str) -> bool:
    """Whether a content is what this version names."""
    return version.rpartition(".")[2] == digest_of(content)


def read_book(version: str, taken_at: datetime, content: str) -> PriceBook:
    """A book from its content. Raises KeyError, ValueError, ArithmeticError for what is none."""
    told = json.loads(content)
    day = f"{taken_at:%Y-%m-%d}"
    return PriceBook(
        version,
        taken_at,
        Decimal(told["markup"]),
        {plan: Decimal(value) for plan, value in told["credit_value_cents"].items()},
        {name: _read_price(each, day) for name, each in told["usd_per_mtok"].items()},
    )


def _price_content(price: Price) -> dict[str, Any]:
    content: dict[str, Any] = {
        "input": _plain(price.input_usd_per_mtok),
        "output": _plain(price.output_usd_per_mtok),
        "cached_input": _plain(price.cached_input_usd_per_mtok),
        "cache_write": _plain(price.cache_write_usd_per_mtok),
        "source": price.source,
    }
    if price.tiers:
        content["tiers"] = [
            [tier.above_input_tokens, *(_plain(getattr(tier, name)) for name in _TIER)] for tier in price.tiers
        ]
    return content


def _read_price(told: Mapping[str, Any], day: str) -> Price:
    return Price(
        Decimal(told["input"]),
        Decimal(told["output"]),
        Decimal(told["cached_input"]),
        Decimal(told["cache_write"]),
        source=told["source"],
        as_of=day,
        tiers=tuple(PriceTier(above, *(Decimal(each) for each in tier)) for above, *tier in told.get("tiers", ())),
    )


def _plain(amount: Decimal) -> str:
    """One text for one amount, whatever it was written like: 0.30 and 3E-1 are 0.3."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
