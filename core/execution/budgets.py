"""The budget of a run, asked before each call that could pass it."""

from dataclasses import replace

from core.execution.failures import BudgetReached
from core.execution.kinds import PREPARE, Prepared, StepContext


def within_budget(context: StepContext, prepared: Prepared, used_micros: int) -> Prepared:
    """The call, or the same with the budget's cheaper model. `used_micros`: charged and held so far.

    Raises BudgetReached.
    """
    claim = context.claim
    budget = claim.definition.budget
    if budget is None or claim.budget_lifted or prepared.held_micros == 0:
        return prepared
    left = int(budget.max_credits * 1_000_000) - used_micros
    if prepared.held_micros <= left:
        return prepared
    if budget.on_exceed == "downgrade" and context.model != budget.downgrade_to:
        cheaper = PREPARE[context.step.type](replace(context, model=budget.downgrade_to))
        if cheaper.held_micros <= left:
            return replace(cheaper, content={**cheaper.content, "downgraded_from": prepared.model})
    raise BudgetReached(budget.max_credits, pause=budget.on_exceed == "pause")
