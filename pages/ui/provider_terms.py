"""What a provider does with data, as a card: shown before the first thing of a person's goes there (promise P08)."""

from __future__ import annotations

from html import escape

from core.providers.domain import ProviderTerms
from pages.ui.badges import icon
from pages.ui.words import vendor

NOBODY_SAYS = "Nobody has said. Ask who runs this installation before you send personal data."


def terms_html(shown: ProviderTerms, note: str = "") -> str:
    """The card of one provider. `note`: what is said under its name."""
    terms = shown.terms
    rows = [
        ("Training", escape(terms.training)),
        ("Kept", escape(terms.retention)),
        ("Where", escape(where(shown))),
    ]
    if terms.in_eea is not True:
        rows.append(("Safeguard", escape(terms.safeguard or NOBODY_SAYS)))
    read = f"Terms read on {escape(terms.checked_at)}" if terms.checked_at else "No date on which the terms were read"
    link = (
        f'<a class="sq-link" href="{escape(terms.url)}" target="_blank" rel="noopener noreferrer">Its terms</a> · '
        if terms.url.startswith(("https://", "http://"))
        else ""
    )
    body = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    said = f'<p class="sq-facts">{escape(note)}</p>' if note else ""
    return (
        f'<section class="sq-terms" aria-label="Terms of {escape(vendor(shown.provider))}">'
        f'<h3 class="sq-id">{icon("policy")}{escape(vendor(shown.provider))}</h3>{said}<dl>{body}</dl>'
        f'<p class="sq-facts">{link}{read}.</p></section>'
    )


def where(shown: ProviderTerms) -> str:
    """The region in words."""
    if shown.region == "unknown":
        return "Not known"
    inside = {True: ", inside the EEA", False: ", outside the European Economic Area", None: ""}[shown.terms.in_eea]
    return f"{_REGIONS.get(shown.region, shown.region)}{inside}"


_REGIONS = {"US": "United States", "EU": "European Union"}


def first_note(shown: ProviderTerms, *, known: bool) -> str:
    """Whether the provider ever got something of this person's."""
    name = vendor(shown.provider)
    if known:
        return f"{name} has got things of yours before. These are its terms as they are now."
    return f"{name} has not received anything of yours before."
