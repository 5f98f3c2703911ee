"""Providers and prices: whose models can be called, under which terms, and what they cost there and here."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.bootstrap import get_runtime
from core.credits.domain import MARKUP
from core.credits.price_list import ModelPrice, ProviderOffer, price_list, sources_of
from core.privacy.terms_check import check_terms
from core.providers.domain import DEMO_PROVIDER
from pages.ui.address import address
from pages.ui.badges import text_badge
from pages.ui.filters import choose
from pages.ui.provider_terms import where
from pages.ui.session import require_role
from pages.ui.words import count, joined, vendor

SHOWN = 12
COLUMNS = ("Vendor, in", "Vendor, out", "Here, in", "Here, out")
HEAD = '<th scope="col">Model</th>' + "".join(f'<th scope="col" class="sq-num">{name}</th>' for name in COLUMNS)


def providers_page() -> None:
    """A card a provider."""
    runtime = get_runtime()
    require_role(runtime, "admin")
    offers = price_list(runtime)
    book = runtime.prices.current(runtime)
    st.html(
        '<h1 class="sq-title">Providers and prices</h1><p class="sq-facts sq-intro">US dollars per million tokens, as '
        f"the vendor bills them and with the markup of ×{MARKUP:f} of this installation. A model whose price nobody "
        "knows is refused on the installation’s keys. Runs keep the price book they began with: "
        f"<code class='sq-nowrap'>{escape(book.version)}</code> now. Keys and partners are set by variables, see "
        '<a class="sq-link" href="/app/admin-settings" target="_self">Settings</a>.</p>'
    )
    names = {"": "Every provider", **{offer.provider: vendor(offer.provider) for offer in offers}}
    choose("Provider", "provider", names, width=200)
    chosen = address().get("provider")
    lacking = {finding.provider for finding in check_terms(runtime)}
    for offer in offers:
        if chosen in (None, offer.provider):
            _draw_offer(offer, whole=chosen is not None, lacking=offer.provider in lacking)


def _draw_offer(offer: ProviderOffer, *, whole: bool, lacking: bool) -> None:
    with st.container(border=True, key=f"provider-{offer.provider}"):
        key = text_badge("key set", "green") if offer.has_key else text_badge("no key here", "gray")
        if offer.provider == DEMO_PROVIDER:
            key = text_badge("built in", "green")
        unknown = text_badge(f"{count(offer.unpriced, 'price')} unknown", "amber") if offer.unpriced else ""
        terms = offer.terms
        dated = f"terms read {terms.terms.checked_at}" if terms and terms.terms.checked_at else "terms not dated"
        place = where(terms) if terms else ""
        old = text_badge("terms need a look", "amber") if lacking else ""
        st.html(
            f'<div class="sq-row"><h2 class="sq-id">{escape(vendor(offer.provider))}</h2>{key}{unknown}{old}'
            f'<span class="sq-facts">{escape(joined(place, dated, count(len(offer.models), "model")))}</span></div>'
        )
        if not offer.models:
            st.html('<div class="sq-empty">No models.</div>')
            return
        # Unknown prices first. Names of newer models come later in the alphabet, mostly.
        newest = sorted(offer.models, key=lambda model: (model.price is None, model.id), reverse=True)
        shown = newest if whole else newest[:SHOWN]
        rows = "".join(_row(model) for model in shown)
        st.html(
            f'<div class="sq-scroll"><table class="sq-table sq-prices"><thead><tr>{HEAD}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
        known = "; ".join(f"{source}, as of {day}" for source, day in sources_of(offer.models))
        left = len(newest) - len(shown)
        more = (
            f'<a class="sq-link" href="/app/admin-providers?provider={escape(offer.provider)}" target="_self">'
            f"{count(left, 'more model')}</a>"
            if left
            else ""
        )
        st.html(f'<p class="sq-facts">{joined(f"Prices from {escape(known)}" if known else "", more)}</p>')


def _row(model: ModelPrice) -> str:
    name = f'<td class="sq-cell-name"><code>{escape(model.id)}</code></td>'
    if model.is_free:
        return f'<tr>{name}<td colspan="4" class="sq-num">free</td></tr>'
    if model.price is None:
        return f'<tr>{name}<td colspan="4" class="sq-num">{text_badge("unknown", "amber")}</td></tr>'
    amounts = (
        model.price.input_usd_per_mtok,
        model.price.output_usd_per_mtok,
        model.our_input_usd,
        model.our_output_usd,
    )
    labelled = zip(COLUMNS, amounts, strict=True)
    cells = "".join(f'<td class="sq-num" data-label="{name}">{_dollars(amount)}</td>' for name, amount in labelled)
    return f"<tr>{name}{cells}</tr>"


def _dollars(amount: object) -> str:
    """`$3.00`, `$0.0375`: never fewer than two decimals."""
    whole, _, rest = f"{amount:.6f}".partition(".")
    return f"${int(whole):,}.{rest.rstrip('0'):0<2}"


if __name__ == "__main__":
    providers_page()
