"""The tables of the privacy policy, made of what the code declares, so that the text cannot say anything else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.platform.annotations import Personal
from core.platform.runtime import Runtime
from core.privacy.inventory import fields
from core.privacy.regions import SAFEGUARDS, is_european
from core.privacy.stores import STORES
from core.providers.domain import DEMO_PROVIDER, ModelCard

PURPOSES = {
    "account": "To have your account and let you sign in",
    "service": "To run your pipelines and show you what they did",
    "billing": "To charge what you use and keep the books the law asks for",
    "security": "To keep your account and the service safe",
    "transactional mail": "To write to you about your account and your runs",
    "data subject requests": "To answer your requests under this policy",
    "policy notices": "To tell you about changes of this policy and prove that we did",
    "consent": "To keep your choices, and prove them",
    "analytics": "To count what is used, anonymously",
}
"""Purposes in the words of the policy, by the names that columns declare."""
BASES = {
    "contract": "contract with you (Art. 6(1)(b) GDPR)",
    "legal_obligation": "legal obligation (Art. 6(1)(c) GDPR)",
    "legitimate_interests": "legitimate interest (Art. 6(1)(f) GDPR)",
    "consent": "your consent (Art. 6(1)(a) GDPR)",
}
KEPT = {
    "account": "as long as you have your account",
    "plan_logs": "90 days on the Free plan, 1 year on paid plans",
    "session": "until shortly after the sign-in ends",
    "short_lived": "until it has served, at most 30 days",
    "proof_5_years": "5 years, as proof (Code civil, Art. 2224)",
    "law_10_years": "10 years (Code de commerce, Art. L123-22)",
}
CATEGORIES = {
    "user.account.settings": "settings and state of your account",
    "user.authorization.credentials": "keys and secrets",
    "user.authorization.password": "hash of your password",
    "user.behavior": "what you did and when",
    "user.contact.email": "e-mail address",
    "user.content": "content you make",
    "user.device": "device",
    "user.financial": "purchases and invoices",
    "user.name": "name",
    "user.unique_id": "ids at the payment provider",
}
COOKIES = (
    ("stepiq_session", "keeps you signed in", "14 days"),
    ("stepiq_form", "proves that a form you send came from our page", "2 hours"),
    ("stepiq_choice", "remembers your choice about measuring, yes or no", "6 months"),
    ("_streamlit_xsrf", "protects uploads in the app", "until you close the browser"),
)
"""What may be set without consent, for what and for how long. Over https the first three names begin with `__Host-`."""


def purposes_table(declared: Sequence[Personal]) -> str:
    """What each purpose uses, and on which legal basis."""
    rows = []
    for purpose in _ordered({each.purpose for each in declared}):
        for basis in BASES:
            mine = [each for each in declared if (each.purpose, each.legal_basis) == (purpose, basis)]
            if mine:
                rows.append((PURPOSES.get(purpose, purpose), _data(mine), BASES[basis]))
    return _table(("Purpose", "Data", "Legal basis"), rows)


def retention_table(declared: Sequence[Personal]) -> str:
    """How long what each purpose uses is kept."""
    rows = []
    for purpose in _ordered({each.purpose for each in declared}):
        for kept, words in KEPT.items():
            mine = [each for each in declared if (each.purpose, each.retention) == (purpose, kept)]
            if mine:
                rows.append((PURPOSES.get(purpose, purpose), _data(mine), words))
    return _table(("Purpose", "Data", "Kept"), rows)


def declared() -> tuple[Personal, ...]:
    """What every column and every other store declares to hold about a person."""
    return (*(field.rules for field in fields()), *(each for store in STORES for each in store.fields))


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
    named = {partner.name: partner.safeguard for partner in settings.llama_partners}
    found = [
        Recipient(
            _provider_name(card.provider),
            "prompts and inputs of steps that use it",
            card.region,
            _safeguard(card.region, SAFEGUARDS.get(card.provider) or named.get(card.provider)),
        )
        for card in provider_cards(runtime)
        if card.provider != DEMO_PROVIDER
    ]
    mail = settings.region_mail or "not declared"
    found.append(Recipient("the mail server", "your address and the mails to you", mail, _safeguard(mail, None)))
    if settings.stripe_secret_key:
        where = "Ireland and the United States"
        found.append(Recipient("Stripe", "your address, what you buy and pay", where, SAFEGUARDS["stripe"]))
    if settings.posthog_api_key:
        region = settings.region_analytics or "European Union"
        found.append(Recipient("PostHog", "anonymous counts", region, _safeguard(region, None)))
    return tuple(found)


def provider_cards(runtime: Runtime) -> tuple[ModelCard, ...]:
    """One card of each provider: region and terms are the same for all of its models."""
    first: dict[str, ModelCard] = {}
    for card in runtime.catalogue.list():
        first.setdefault(card.provider, card)
    return tuple(first.values())


def _safeguard(region: str, named: str | None) -> str | None:
    return "none needed: inside the EEA" if is_european(region) else named or None


def cookies_table() -> str:
    """The cookies that are strictly necessary."""
    return _table(("Name", "What for", "How long"), [(f"`{name}`", what, long) for name, what, long in COOKIES])


def _data(declared: Iterable[Personal]) -> str:
    words = {CATEGORIES.get(each.category, each.category.removeprefix("user.").replace(".", " ")) for each in declared}
    return ", ".join(sorted(words))


def _ordered(purposes: set[str]) -> list[str]:
    known = list(PURPOSES)
    return sorted(purposes, key=lambda name: (known.index(name) if name in known else len(known), name))


def _provider_name(provider: str) -> str:
    return {"anthropic": "Anthropic", "openai": "OpenAI", DEMO_PROVIDER: "demo (our own server)"}.get(
        provider, provider
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
