"""Who got something of a person: the providers and hosts that their own runs used, and those that write and bill.

Art. 15(1)(c) asks for recipients. Not those that could have been used: those that were.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from core.platform.runtime import Runtime
from core.privacy.inventory import find_table
from core.privacy.policies.tables import provider_cards
from core.privacy.policies.tables import recipients as declared_recipients
from core.privacy.regions import is_european
from core.providers.domain import DEMO_PROVIDER
from core.shared.types import JsonValue


@dataclass(frozen=True, slots=True)
class UsedRecipient:
    """Somebody who received something. `times`: how often, where it is counted; `safeguard` of a transfer."""

    name: str
    received: str
    region: str
    safeguard: str
    times: int | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """The recipient as it stands in the files."""
        return {
            "name": self.name, "received": self.received, "region": self.region, "safeguard": self.safeguard,
            "times": self.times,
        }  # fmt: skip


def used_recipients(runtime: Runtime, account_id: str) -> tuple[UsedRecipient, ...]:
    """All of them: models first, then hosts, then those of the installation."""
    cards = {card.provider: card for card in provider_cards(runtime)}
    found = []
    models = _models(runtime, account_id)
    for provider, (names, times) in sorted(models.items()):
        if provider == DEMO_PROVIDER:
            continue
        card = cards.get(provider)
        region = card.region if card else "unknown"
        what = f"prompts and inputs of your steps ({', '.join(sorted(names))})"
        found.append(UsedRecipient(provider, what, region, _safeguard(runtime, region, provider), times))
    for host, times in sorted(_hosts(runtime, account_id, set(models)).items()):
        found.append(
            UsedRecipient(host, "what your pipelines sent there", "where you chose", "your own instruction", times)
        )
    for each in declared_recipients(runtime):
        if each.name == "the mail server" or (each.name == "Stripe" and _is_customer(runtime, account_id)):
            found.append(UsedRecipient(each.name, each.receives, each.region, each.safeguard or "not named"))
    return tuple(found)


def _models(runtime: Runtime, account_id: str) -> Mapping[str, tuple[set[str], int]]:
    """Provider: the models of it, and how many calls."""
    steps = find_table("step_runs")
    used = (steps.c.owner_id == account_id, steps.c.provider.is_not(None), steps.c.status != "reused")
    calls = select(steps.c.provider, steps.c.model, func.count()).where(*used)
    found: dict[str, tuple[set[str], int]] = {}
    with runtime.database.read() as session:
        for provider, model, times in session.execute(calls.group_by(steps.c.provider, steps.c.model)).tuples():
            names, before = found.get(provider, (set(), 0))
            found[provider] = (names | ({model} if model else set()), before + times)
    return found


def _hosts(runtime: Runtime, account_id: str, providers: set[str]) -> Mapping[str, int]:
    """Hosts of webhook steps, deliveries and tools, and of people's own keys: the ledger of what left names each."""
    ledger = find_table("egress")
    left = (ledger.c.owner_id == account_id, ledger.c.outcome != "not_sent", ledger.c.recipient.not_in(providers))
    counted = select(ledger.c.recipient, func.count()).where(*left).group_by(ledger.c.recipient)
    with runtime.database.read() as session:
        return dict(session.execute(counted).tuples().all())


def _is_customer(runtime: Runtime, account_id: str) -> bool:
    customers = find_table("billing_customers")
    mine = select(customers.c.owner_id).where(customers.c.owner_id == account_id).limit(1)
    with runtime.database.read() as session:
        return session.scalar(mine) is not None


def _safeguard(runtime: Runtime, region: str, provider: str) -> str:
    if is_european(region):
        return "none needed: inside the EEA"
    found = runtime.catalogue.provider_terms(provider)
    return (found.terms.safeguard if found else None) or "named by the partner's own terms"
