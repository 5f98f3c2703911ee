"""Why a step did not come to an output, where the engine itself decides so."""

from core.execution.kinds.port import Nested
from core.pipelines.definition import Step
from core.shared.errors import AppError, InvalidInput, ProviderError
from core.shared.types import JsonValue


class BudgetReached(InvalidInput):
    """The next call would pass the run's budget."""

    def __init__(self, max_credits: float, *, pause: bool) -> None:
        said = "Raise max_credits, or set on_exceed to pause or downgrade."
        super().__init__("BUDGET_EXCEEDED", f"This call could pass the budget of {max_credits:g} credits. {said}")
        self.pause = pause


class InnerFailure(ProviderError):
    """A step inside another one failed. Trying the outer one again repeats only what failed."""

    def __init__(self, code: str, message: str, step_id: str) -> None:
        super().__init__(code, message, retryable=True)
        self.step_id = step_id


def inner_failure(step: Step, problems: dict[int, dict[str, JsonValue]], nested: Nested) -> AppError:
    """The error of a step by what went wrong inside it, by item."""
    first = min(problems)
    problem = problems[first]
    if not nested.many:
        return InnerFailure(str(problem["code"]), str(problem["message"]), str(problem["step_id"]))
    count = f"{len(problems):,} of {nested.count:,} items failed; the others are kept, and a retry repeats only these"
    return InnerFailure("ITEMS_FAILED", f"{count}. Item {first + 1}: {problem['message']}", step.id)
