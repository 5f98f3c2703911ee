"""Who pays for the calls of a run: decided once, when the run is asked for, and never changed under way."""

from collections.abc import Iterable

from core.accounts.domain import Account
from core.accounts.queries import own_key_providers
from core.pipelines.definition import Definition
from core.platform.runtime import Runtime
from core.shared.types import JsonValue


def funding_of(
    runtime: Runtime, owner: Account, definition: Definition, called: Iterable[Definition] = ()
) -> dict[str, str]:
    """Mode by provider: own_key, platform, free, or none where there is no key at all.

    Whose key comes first the person chose. Who chose only their own is never served by the platform's: without a key
    of theirs such a step fails and says so.
    The operator of the command line uses the environment's keys as own keys: no credits.
    """
    models = set().union(*(models_of(each) for each in (definition, *called)))
    cards = [runtime.catalogue.find(model or runtime.catalogue.default_model()) for model in models]
    own = own_key_providers(runtime, owner.id)
    funding: dict[str, str] = {}
    for card in filter(None, cards):
        ours = runtime.catalogue.platform_key_available(card.provider)
        funding[card.provider] = "free" if card.free else _mode(owner, has_own=card.provider in own, ours=ours)
    return funding


def _mode(owner: Account, *, has_own: bool, ours: bool) -> str:
    platform = "operator" if owner.is_operator else "platform"
    if owner.funding == "own_only":
        return "own_key"
    if ours and (owner.funding == "platform_first" or not has_own):
        return platform
    return "own_key" if has_own else "none"


def models_of(definition: Definition) -> set[str | None]:
    """Every model a run may call: those of its steps, their fallbacks, and the budget's cheaper one."""
    models: set[str | None] = set()
    for step in definition.llm_steps:
        models |= {step.model, *step.fallback}
    if definition.budget is not None and definition.budget.downgrade_to is not None:
        models.add(definition.budget.downgrade_to)
    return models


def funding_mode(funding: dict[str, str]) -> str:
    """One word for the whole run: platform, own_key or free."""
    modes = set(funding.values())
    if "platform" in modes:
        return "platform"
    return "own_key" if modes & {"own_key", "operator", "none"} else "free"


def as_json(funding: dict[str, str]) -> dict[str, JsonValue]:
    """The funding as stored with the run."""
    return dict(funding)
