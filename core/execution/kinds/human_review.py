"""`human_review`: asks a person, and lets the run go until they answer."""

from datetime import timedelta

from core.execution.kinds.port import Prepared, Question, StepContext
from core.pipelines.kinds.human_review import HumanReviewStep
from core.pipelines.templates import render


def prepare(context: StepContext) -> Prepared:
    """The question: the message, and what the step before made."""
    step: HumanReviewStep = context.step
    message = render(step.message, context.scope)
    facts = {"message": message, "output": context.before, "editable": step.editable}
    return Prepared(
        question=Question(facts, timedelta(hours=step.timeout_hours), step.on_timeout), content={"prompt": message}
    )
