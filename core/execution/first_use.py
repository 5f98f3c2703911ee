"""The providers that a run of the notebook would use, and those whose terms its person has not been shown yet (P08).

Asked for in the notebook, where somebody can read and click. Runs that the API, a webhook or a schedule starts are not
held up: there is nobody to ask. They are told by `GET models`, whose every model carries the terms, and afterwards by
the account's page of what went where, which shows the terms that were never seen.
"""

from collections.abc import Iterable, Mapping

from core.accounts.domain import Account
from core.accounts.provider_notices import seen_terms
from core.execution.called import called_definitions
from core.execution.domain import Mode, NotebookView
from core.execution.selection import select_steps
from core.pipelines.definition import Definition, LlmStep, Step, walk_steps, with_agent_defaults
from core.pipelines.kinds.pipeline import PipelineStep
from core.platform.runtime import Runtime
from core.providers.domain import DEMO_PROVIDER, ProviderTerms
from core.shared.errors import InvalidInput


def providers_used(
    runtime: Runtime, definition: Definition, called: Mapping[str, Definition], only: frozenset[str] | None = None
) -> frozenset[str]:
    """The providers that steps may call, with fallbacks and a budget's cheaper model; the demo is none.

    `only` names the outermost steps that are run.
    """
    models: set[str | None] = set()
    for each, steps in [(definition, _chosen(definition, only)), *((each, each.steps) for each in called.values())]:
        for _, step in walk_steps(steps):
            if isinstance(step, LlmStep):
                models |= {with_agent_defaults(step, each).model, *step.fallback}
    if models and definition.budget is not None and definition.budget.downgrade_to is not None:
        models.add(definition.budget.downgrade_to)
    cards = (runtime.catalogue.find(model or runtime.catalogue.default_model()) for model in models)
    return frozenset(card.provider for card in cards if card is not None) - {DEMO_PROVIDER}


def unseen_terms(runtime: Runtime, owner_id: str, providers: Iterable[str]) -> tuple[ProviderTerms, ...]:
    """The terms of those of these providers that this person has not been shown as they are now."""
    found = [runtime.catalogue.provider_terms(provider) for provider in sorted(set(providers) - {DEMO_PROVIDER})]
    asked = [each for each in found if each is not None]
    if not asked:
        return ()
    seen = seen_terms(runtime, owner_id)
    return tuple(each for each in asked if (each.provider, each.terms.checked_at) not in seen)


def first_uses(
    runtime: Runtime,
    owner: Account,
    pipeline_id: str,
    view: NotebookView,
    mode: Mode = "all",
    step_id: str | None = None,
) -> tuple[ProviderTerms, ...]:
    """The terms to be shown before these cells are run: of providers that a cell without a fresh output would call."""
    definition = view.definition
    if definition is None:
        return ()
    wanted = wanted_cells(view, mode, step_id)
    called: Mapping[str, Definition] = {}
    if any(isinstance(step, PipelineStep) for _, step in walk_steps(_chosen(definition, wanted))):
        try:
            called = called_definitions(runtime, owner.id, definition, pipeline_id)
        except InvalidInput:  # the run says what is wrong
            called = {}
    return unseen_terms(runtime, owner.id, providers_used(runtime, definition, called, wanted))


def wanted_cells(view: NotebookView, mode: Mode, step_id: str | None = None) -> frozenset[str]:
    """The cells that are executed: those chosen, without those whose fresh output stands in."""
    assert view.definition is not None
    selection = select_steps(view.definition, mode, step_id)
    return frozenset(
        cell.step_id
        for cell in view.cells
        if (selection.steps is None or cell.step_id in selection.steps)
        and (cell.state != "fresh" or cell.step_id not in selection.reusable)
    )


def _chosen(definition: Definition, only: frozenset[str] | None) -> tuple[Step, ...]:
    return tuple(step for step in definition.steps if only is None or step.id in only)
