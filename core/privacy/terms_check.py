"""Promise P08: every provider that is enabled has terms that were read within 180 days, and says what protects them.

A provider is enabled where the installation has a key for it, or a person a key of their own.
"""

from dataclasses import dataclass
from datetime import date

from core.accounts.queries import providers_with_own_keys
from core.platform.runtime import Runtime
from core.providers.domain import DEMO_PROVIDER, ProviderTerms
from core.providers.terms import MAX_AGE_DAYS


@dataclass(frozen=True, slots=True)
class TermsFinding:
    """Something the terms of an enabled provider lack. `problem`: undated, old, no_link or no_safeguard."""

    provider: str
    problem: str
    days: int | None = None


def enabled_providers(runtime: Runtime) -> tuple[ProviderTerms, ...]:
    """The terms of every provider that may be called here, the demo left out."""
    own = providers_with_own_keys(runtime)
    names = [
        name
        for name in runtime.catalogue.providers()
        if name != DEMO_PROVIDER and (name in own or runtime.catalogue.platform_key_available(name))
    ]
    return tuple(found for found in map(runtime.catalogue.provider_terms, names) if found is not None)


def check_terms(runtime: Runtime, today: date | None = None) -> tuple[TermsFinding, ...]:
    """What is missing; empty when the promise is kept."""
    findings = []
    for each in enabled_providers(runtime):
        terms, age = each.terms, each.terms.age(today or runtime.clock.now().date())
        if age is None:
            findings.append(TermsFinding(each.provider, "undated"))
        elif age > MAX_AGE_DAYS:
            findings.append(TermsFinding(each.provider, "old", age))
        if not terms.url:
            findings.append(TermsFinding(each.provider, "no_link"))
        if terms.needs_safeguard:
            findings.append(TermsFinding(each.provider, "no_safeguard"))
    return tuple(findings)
