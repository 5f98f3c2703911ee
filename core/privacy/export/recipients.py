"""Who got something of a person: the providers and hosts that their own runs used, and those that write and bill.

Art. 15(1)(c) asks for recipients. Not those that could have been used: those that were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from sqlalchemy import distinct, func, select

from core.platform.database import Base
from core.platform.runtime import Runtime
from core.privacy.export.rows import open_value
from core.privacy.inventory import find_table
from core.privacy.policies.tables import provider_cards
from core.privacy.policies.tables import recipients as declared_recipients
from core.privacy.regions import SAFEGUARDS, is_european
from core.providers.domain import DEMO_PROVIDER
from core.shared.types import JsonValue

LEDGER = "egress"
"""The table of what left, where the installation keeps one."""
PAGE = 200


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
        found.append(UsedRecipient(provider, what, region, _safeguard(region, provider), times))
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
    """Hosts of deliveries; with a ledger of what left, also those of webhook steps and tools."""
    ledger = Base.metadata.tables.get(LEDGER)
    if ledger is not None:
        left = (ledger.c.owner_id == account_id, ledger.c.outcome != "not_sent", ledger.c.recipient.not_in(providers))
        counted = select(ledger.c.recipient, func.count(distinct(ledger.c.id))).where(*left)
        with runtime.database.read() as session:
            return dict(session.execute(counted.group_by(ledger.c.recipient)).tuples().all())
    return _delivery_hosts(runtime, account_id)


def _delivery_hosts(runtime: Runtime, account_id: str) -> Mapping[str, int]:
    runs, deliveries = find_table("runs"), find_table("deliveries")
    found: dict[str, int] = {}
    after = ""
    while True:
        some = select(runs.c.id).where(runs.c.owner_id == account_id, runs.c.id > after).order_by(runs.c.id).limit(PAGE)
        with runtime.database.read() as session:
            ids = list(session.scalars(some))
            sent = select(deliveries.c.id, deliveries.c.request).where(
                deliveries.c.run_id.in_(ids), deliveries.c.attempts > 0
            )
            rows = session.execute(sent).tuples().all() if ids else []
        for row_id, sealed in rows:
            request = open_value(runtime, account_id, f"deliveries.request:{row_id}", sealed)
            host = urlsplit(str(cast(dict[str, JsonValue], request).get("url") or "")).hostname if request else None
            if isinstance(request, dict) and host:
                found[host] = found.get(host, 0) + 1
        if not ids:
            return found
        after = ids[-1]


def _is_customer(runtime: Runtime, account_id: str) -> bool:
    customers = find_table("billing_customers")
    mine = select(customers.c.owner_id).where(customers.c.owner_id == account_id).limit(1)
    with runtime.database.read() as session:
        return session.scalar(mine) is not None


def _safeguard(region: str, provider: str) -> str:
    if is_european(region):
        return "none needed: inside the EEA"
    return SAFEGUARDS.get(provider) or "named by the partner's own terms"
