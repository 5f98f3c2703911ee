"""The limits of what a run may spend, asked before each call that could pass one: its budget, and its part of a cap."""

from dataclasses import replace

from core.execution.failures import BudgetReached, CapReached
from core.execution.kinds import PREPARE, Prepared, StepContext


def within_budget(context: StepContext, prepared: Prepared, used_micros: int) -> Prepared:
    """The call, or the same with the budget's cheaper model. `used_micros`: charged and held so far.

    Raises BudgetReached, CapReached. A budget can be lifted for a run; what it reserved of a cap cannot.
    """
    claim = context.claim
    allowed = prepared if claim.budget_lifted else _within_own_budget(context, prepared, used_micros)
    if allowed.held_micros and claim.cap_micros is not None and allowed.held_micros > claim.cap_micros - used_micros:
        raise CapReached(claim.cap_micros)
    return allowed


def _within_own_budget(context: StepContext, prepared: Prepared, used_micros: int) -> Prepared:
    budget = context.claim.definition.budget
    if budget is None or prepared.held_micros == 0:
        return prepared
    left = int(budget.max_credits * 1_000_000) - used_micros
    if prepared.held_micros <= left:
        return prepared
    if budget.on_exceed == "downgrade" and context.model != budget.downgrade_to:
        cheaper = PREPARE[context.step.type](replace(context, model=budget.downgrade_to))
        if cheaper.held_micros <= left:
            return replace(cheaper, content={**cheaper.content, "downgraded_from": prepared.model})
    raise BudgetReached(budget.max_credits, pause=budget.on_exceed == "pause")
