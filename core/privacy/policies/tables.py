"""The tables of the privacy policy, made of what the code declares, so that the text cannot say anything else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from core.platform.annotations import Personal
from core.platform.runtime import Runtime
from core.privacy import inventory
from core.privacy.recipients import STRIPE_SAFEGUARD
from core.privacy.regions import is_european
from core.privacy.wording import BASES, KEPT, PURPOSES, category_words, in_order
from core.providers.domain import DEMO_PROVIDER, ModelCard

COOKIES = (
    ("stepiq_session", "keeps you signed in", "14 days"),
    ("stepiq_form", "proves that a form you send came from our page", "2 hours"),
    ("stepiq_choice", "remembers your choice about measuring, yes or no", "6 months"),
    ("_streamlit_xsrf", "protects uploads in the app", "until you close the browser"),
)
"""What may be set without consent, for what and for how long. Over https the first three names begin with `__Host-`."""


@cache
def purposes_table(declared: tuple[Personal, ...]) -> str:
    """What each purpose uses, and on which legal basis."""
    rows = []
    for purpose in in_order({each.purpose for each in declared}):
        for basis in BASES:
            mine = [each for each in declared if (each.purpose, each.legal_basis) == (purpose, basis)]
            if mine:
                rows.append((PURPOSES.get(purpose, purpose), _data(mine), BASES[basis]))
    return _table(("Purpose", "Data", "Legal basis"), rows)


@cache
def retention_table(declared: tuple[Personal, ...]) -> str:
    """How long what each purpose uses is kept."""
    rows = []
    for purpose in in_order({each.purpose for each in declared}):
        for kept, words in KEPT.items():
            mine = [each for each in declared if (each.purpose, each.retention) == (purpose, kept)]
            if mine:
                rows.append((PURPOSES.get(purpose, purpose), _data(mine), words))
    return _table(("Purpose", "Data", "Kept"), rows)


def declared() -> tuple[Personal, ...]:
    """What every column and every other store declares to hold about a person."""
    return tuple(rules for _, rules in inventory.declared())


def providers_table(runtime: Runtime) -> str:
    """The model providers that can be used here, with their terms."""
    rows = []
    for card in provider_cards(runtime):
        terms = card.data_terms
        link = f"[terms]({terms.url})" if terms.url else "none"
        rows.append(
            (_provider_name(card.provider), card.region, terms.training, terms.retention, link, terms.checked_at)
        )
    return _table(("Provider", "Region", "Training", "Kept there", "Terms", "As of"), rows)


def recipients_table(runtime: Runtime) -> str:
    """Who receives data, where, and what protects it there."""
    rows = [(each.name, each.receives, each.region, each.safeguard or "not named") for each in recipients(runtime)]
    whom = ("whom your pipelines name", "what your pipelines send there", "where you chose", "your own instruction")
    return _table(("Recipient", "Receives", "Where", "Safeguard"), [*rows, whom])


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody outside this installation who receives data, and what protects it there; None where nothing is named."""

    name: str
    receives: str
    region: str
    safeguard: str | None


def recipients(runtime: Runtime) -> tuple[Recipient, ...]:
    """Those this installation sends data to by itself or through its models; whom people name is up to them."""
    settings = runtime.settings
    found = [
        Recipient(
            _provider_name(card.provider),
            "prompts and inputs of steps that use it",
            card.region,
            _safeguard(card.region, card.data_terms.safeguard),
        )
        for card in provider_cards(runtime)
        if card.provider != DEMO_PROVIDER
    ]
    mail = settings.region_mail or "not declared"
    found.append(Recipient("the mail server", "your address and the mails to you", mail, _safeguard(mail, "")))
    if settings.stripe_secret_key:
        where = "Ireland and the United States"
        found.append(
            Recipient("Stripe", "your address, what you buy and pay", where, _safeguard(where, STRIPE_SAFEGUARD))
        )
    if settings.posthog_api_key:
        region = settings.region_analytics or "European Union"
        found.append(Recipient("PostHog", "anonymous counts", region, _safeguard(region, "")))
    return tuple(found)


def provider_cards(runtime: Runtime) -> tuple[ModelCard, ...]:
    """One card of each provider: region and terms are the same for all of its models."""
    first: dict[str, ModelCard] = {}
    for card in runtime.catalogue.list():
        first.setdefault(card.provider, card)
    return tuple(first.values())


def _safeguard(region: str, named: str) -> str | None:
    return "none needed: inside the EEA" if is_european(region) else named.rstrip(".") or None


def cookies_table() -> str:
    """The cookies that are strictly necessary."""
    return _table(("Name", "What for", "How long"), [(f"`{name}`", what, long) for name, what, long in COOKIES])


def _data(declared: Iterable[Personal]) -> str:
    return ", ".join(sorted({category_words(each.category) for each in declared}))


def _provider_name(provider: str) -> str:
    return {"anthropic": "Anthropic", "openai": "OpenAI", DEMO_PROVIDER: "demo (our own server)"}.get(
        provider, provider
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
