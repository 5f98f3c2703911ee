"""What we hold about a person, in words: made of the inventory, so that nothing is left out. Pure.

The page about one's own data, the policy and the record for authorities say the same thing at different length; this is
the one for a person. Counts are for who calls: each item names the table it counts in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.accounts.plans import PLANS
from core.platform.annotations import Personal
from core.privacy.wording import BASES, KEPT, PURPOSES, category_words, in_order


@dataclass(frozen=True, slots=True)
class HeldItem:
    """One thing that is held. `table` is empty for what is in no table; `in_export` whether a copy contains it."""

    label: str
    category: str
    kept: str
    basis: str
    origin: str
    recipients: tuple[str, ...]
    in_export: bool
    table: str


@dataclass(frozen=True, slots=True)
class HeldGroup:
    """What is held for one purpose."""

    purpose: str
    title: str
    items: tuple[HeldItem, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables to count in, each once."""
        return tuple(dict.fromkeys(item.table for item in self.items if item.table))


def what_we_hold(declared: Iterable[tuple[str, Personal]], plan: str) -> tuple[HeldGroup, ...]:
    """What is held about somebody on a plan, by purpose. `declared`: each rule with the table it comes from, or ""."""
    rules = list(declared)
    groups = []
    for purpose in in_order({each.purpose for _, each in rules}):
        items = tuple(_item(table, each, plan) for table, each in rules if each.purpose == purpose)
        groups.append(HeldGroup(purpose, PURPOSES.get(purpose, purpose), items))
    return tuple(groups)


def _item(table: str, rules: Personal, plan: str) -> HeldItem:
    return HeldItem(
        label=rules.label,
        category=category_words(rules.category),
        kept=_kept(rules.retention, plan),
        basis=BASES[rules.legal_basis],
        origin=rules.origin,
        recipients=rules.recipients,
        in_export=rules.export != "never",
        table=table,
    )


def _kept(retention: str, plan: str) -> str:
    if retention == "plan_logs" and plan in PLANS:
        days = PLANS[plan].log_days
        return "1 year" if days == 365 else f"{days} days"
    return KEPT.get(retention, retention)
