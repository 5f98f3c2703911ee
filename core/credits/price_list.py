"""What models cost here, provider by provider: the vendor's price, the markup, ours, and where it is known from."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from core.credits.domain import MARKUP
from core.platform.runtime import Runtime
from core.providers.domain import ModelCard, Price, ProviderTerms


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A model with the vendor's price, in US dollars per million tokens; None where nobody knows it, never zero."""

    id: str
    label: str
    price: Price | None
    is_free: bool

    @property
    def our_input_usd(self) -> Decimal | None:
        """What a million tokens of input cost here."""
        return None if self.price is None else self.price.input_usd_per_mtok * MARKUP

    @property
    def our_output_usd(self) -> Decimal | None:
        """What a million tokens of output cost here."""
        return None if self.price is None else self.price.output_usd_per_mtok * MARKUP


@dataclass(frozen=True, slots=True)
class ProviderOffer:
    """A provider: whether the installation has a key of it, its terms, and its models."""

    provider: str
    has_key: bool
    terms: ProviderTerms | None
    models: tuple[ModelPrice, ...]

    @property
    def unpriced(self) -> int:
        """Models whose price nobody knows: they are refused on the installation's keys."""
        return sum(each.price is None for each in self.models)


def price_list(runtime: Runtime) -> tuple[ProviderOffer, ...]:
    """Every provider with its models, as they are priced now."""
    cards: dict[str, list[ModelCard]] = {}
    for card in runtime.catalogue.list():
        cards.setdefault(card.provider, []).append(card)
    return tuple(
        ProviderOffer(
            name,
            runtime.catalogue.platform_key_available(name),
            runtime.catalogue.provider_terms(name),
            tuple(ModelPrice(card.id, card.label, card.price, card.free) for card in cards.get(name, ())),
        )
        for name in runtime.catalogue.providers()
    )


def sources_of(models: Iterable[ModelPrice]) -> tuple[tuple[str, str], ...]:
    """Where prices are known from, and as of when: each pair once."""
    return tuple(sorted({(each.price.source, each.price.as_of) for each in models if each.price is not None}))
