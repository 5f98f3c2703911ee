"""Recipients that get something whatever a run does: as the pages show them.

What runs send has a row each in the ledger of what leaves; these do not. They are there when their setting is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.platform.runtime import Runtime
from core.platform.settings import STRIPE_API
from core.providers.terms import CLAUSES

STRIPE_SAFEGUARD = f"{CLAUSES} and the EU-US Data Privacy Framework, in its data processing agreement."


@dataclass(frozen=True, slots=True)
class StandingRecipient:
    """A recipient of the installation. `host` is empty where it is this very machine; `categories` are fideslang keys.

    `in_eea` None: only its operator can say. `safeguard` is what protects a transfer out of the EEA (GDPR Art. 46).
    """

    name: str
    host: str
    purpose: str
    categories: tuple[str, ...]
    in_eea: bool | None = None
    safeguard: str = ""
    terms_url: str = ""


def standing_recipients(runtime: Runtime) -> tuple[StandingRecipient, ...]:
    """Those that this installation is set up with."""
    settings = runtime.settings
    found: list[StandingRecipient] = []
    if settings.smtp_url:
        host = urlsplit(settings.smtp_url).hostname or ""
        found.append(
            StandingRecipient(
                "Mail server", host, "Sends confirmations, alerts, and what you have delivered by mail",
                ("user.contact.email", "user.name", "user.content"),
            )
        )  # fmt: skip
    if settings.stripe_secret_key:
        host = urlsplit(settings.stripe_api_base or STRIPE_API).hostname or ""
        found.append(
            StandingRecipient(
                "Stripe", host, "Takes payments, keeps cards, makes invoices",
                ("user.contact.email", "user.name", "user.financial", "user.behavior.purchase_history"),
                in_eea=True,  # the party to the contract in Europe; what it passes on has the clauses below
                safeguard=STRIPE_SAFEGUARD,
                terms_url="https://stripe.com/legal/dpa",
            )
        )  # fmt: skip
    posthog = str(getattr(settings, "posthog_host", "") or "")
    if getattr(settings, "posthog_api_key", ""):
        host = urlsplit(posthog).hostname or "eu.i.posthog.com"
        found.append(
            StandingRecipient(
                "PostHog", host, "Counts how the app is used, without a person or a prompt",
                ("user.behavior",), in_eea=True, terms_url="https://posthog.com/dpa",
            )
        )  # fmt: skip
    for name, url, purpose in _stores(settings.database_url, settings.key_store_url, settings.blob_url):
        found.append(StandingRecipient(name, url, purpose, ("user.content", "user.account")))
    return tuple(found)


def _stores(database_url: str, key_store_url: str, blob_url: str) -> Iterable[tuple[str, str, str]]:
    """Places on other machines where data is kept, encrypted under its owner's key."""
    for name, url, purpose in (
        ("Database", database_url, "Keeps accounts, pipelines and runs, their content encrypted"),
        ("Key store", key_store_url, "Keeps the keys of people, wrapped by the installation's"),
        ("File store", blob_url, "Keeps files, encrypted"),
    ):
        host = urlsplit(url).hostname if "://" in url else None
        if host:
            yield name, host, purpose
