"""The price book: one text for one content, and amounts worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.credits.domain import Metered
from core.credits.prices import content_of, is_genuine, read_book, version_of
from core.credits.proof import most_charged
from core.providers.catalogue import Catalogue
from core.providers.domain import PartnerConfig, Price, PriceTier, ProviderConfig, Usage

DAY = datetime(2026, 11, 26, 9, tzinfo=UTC)
HAIKU = Price(Decimal("1.00"), Decimal(5), Decimal("0.1"), Decimal("1.25"), source="vendor", as_of="2026-01-01")
LONG = PriceTier(200_000, Decimal(6), Decimal("22.5"), Decimal("0.6"), Decimal("7.5"))
SONNET = Price(
    Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"), source="vendor", as_of="2026-02-02", tiers=(LONG,)
)


def test_a_book_reads_back_as_it_was_and_its_version_names_its_content() -> None:
    content = content_of({"anthropic/haiku": HAIKU, "anthropic/sonnet": SONNET})
    version = version_of(content, DAY)
    book = read_book(version, DAY, content)
    assert version.startswith("2026-11-26.") and is_genuine(version, content)
    assert not is_genuine(version, content.replace('"5"', '"4"'))
    assert book.prices["anthropic/sonnet"].tiers == (LONG,)
    assert book.prices["anthropic/haiku"].output_usd_per_mtok == 5
    assert (book.markup, book.rates("pro").credit_value_cents) == (Decimal("1.25"), Decimal("0.8"))


def test_one_price_has_one_text_whatever_it_was_written_like_and_since_when_it_is_known() -> None:
    written = Price(Decimal(1), Decimal("5.0"), Decimal("1E-1"), Decimal("1.250"), source="vendor", as_of="2026-09-09")
    assert content_of({"a": HAIKU}) == content_of({"a": written})
    dearer = Price(Decimal(1), Decimal("5.01"), Decimal("0.1"), Decimal("1.25"), source="vendor", as_of="2026-01-01")
    assert content_of({"a": HAIKU}) != content_of({"a": dearer})


@pytest.mark.parametrize(
    ("plan", "micros"),
    [
        # $0.0123 at the vendor, 1.25 times that is 1.5375 US cents: so many credits of 1 cent, and of 0.8.
        ("starter", 1_537_500),
        ("pro", 1_921_875),
    ],
)
def test_credits_of_a_cost_by_plan(plan: str, micros: int) -> None:
    rates = read_book("v", DAY, content_of({})).rates(plan)
    assert rates.micros(Decimal("0.0123")) == micros
    assert rates.cents(Decimal("0.0123")) == Decimal("1.5375")
    assert rates.micros(Decimal("0.000000001")) == 1, "rounded up"


def test_a_run_keeps_the_price_of_its_book() -> None:
    partner = PartnerConfig("local", "http://127.0.0.1:1/v1", "", ("small",), {"input": 1, "output": 2})
    before = Catalogue(ProviderConfig(partners=(partner,)))
    dearer = PartnerConfig("local", "http://127.0.0.1:1/v1", "", ("small", "new"), {"input": 10, "output": 20})
    after = Catalogue(ProviderConfig(partners=(dearer,)))
    rates = read_book("v", DAY, content_of(before.prices())).rates("starter")
    card, new = after.find("small"), after.find("new")
    assert card is not None and new is not None
    assert after.cost_usd(rates.priced(card), Usage(1_000_000, 0)) == 1
    assert after.cost_usd(card, Usage(1_000_000, 0)) == 10
    assert after.cost_usd(rates.priced(new), Usage(1_000_000, 0)) == 10, "a model the book does not know has today's"


def test_a_dated_id_is_priced_as_the_model_it_is_one_of() -> None:
    catalogue = Catalogue(ProviderConfig())
    dated = catalogue.find("claude-haiku-4-5-20251001")
    assert dated is not None and dated.priced_as == "anthropic/claude-haiku-4-5"
    assert dated.priced_as in catalogue.prices()
    listed = [card for card in catalogue.list() if not card.free]
    assert {card.priced_as for card in listed} <= catalogue.prices().keys()


def test_a_batch_costs_half() -> None:
    catalogue = Catalogue(ProviderConfig())
    card = catalogue.find("claude-haiku-4-5")
    assert card is not None
    assert catalogue.cost_usd(card, Usage(1_000_000, 1_000_000)) == 6
    assert catalogue.cost_usd(card, Usage(1_000_000, 1_000_000, batch=True)) == 3


def test_the_most_that_tokens_may_be_charged() -> None:
    book = read_book("v", DAY, content_of({"anthropic/haiku": HAIKU, "anthropic/sonnet": SONNET}))

    def most(model: str, *tokens: int) -> int | None:
        return most_charged(book, Metered(None, "starter", model, *tokens))

    # 700 read at 1, 200 from the cache at 0.1, 100 into it at 1.25, 500 written at 5 dollars a million:
    # 0.0007 + 0.00002 + 0.000125 + 0.0025 = 0.003345 dollars, times 125 credits.
    assert most("anthropic/haiku", 1000, 200, 100, 500) == 418_125
    # The dearest tier, as calls are added up: 1000 at 6 and 500 at 22.5.
    assert most("anthropic/sonnet", 1000, 0, 0, 500) == round((0.006 + 0.01125) * 125 * 1e6)
    assert most("other/model", 1, 0, 0, 1) is None
