"""`condition`: true or false, and where control goes on."""

from typing import Any

from core.execution.kinds.port import Prepared, StepContext, StepResult
from core.execution.preparation import fingerprint
from core.pipelines.expressions import evaluate_condition
from core.pipelines.kinds.condition import ConditionStep
from core.shared.types import JsonValue


def prepare(context: StepContext) -> Prepared:
    """Decide at once: a condition does no I/O."""
    step: ConditionStep = context.step
    holds = evaluate_condition(step.if_, context.scope)
    target = step.then if holds else step.else_
    notes: dict[str, JsonValue] = {} if target is None else {"goto": {"to": target, "rule": None}}
    mark = fingerprint(context.hash_, ["condition", step.if_, holds])
    return Prepared(result=StepResult(holds, notes=notes), fingerprint=mark, quiet=True)


def find_jump(step: Any, scope: dict[str, JsonValue], may_loop: Any) -> dict[str, JsonValue] | None:
    """The first `on_condition` rule that holds and may still jump, as it is noted. Raises InvalidInput."""
    for index, rule in enumerate(step.on_condition):
        if evaluate_condition(rule.if_, scope) and may_loop(step.id, index, rule.max_loops):
            return {"to": rule.goto, "rule": index}
    return None
