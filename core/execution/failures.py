"""Why a step did not come to an output, where the engine itself decides so."""

from dataclasses import dataclass

from core.execution.kinds.port import Nested
from core.pipelines.definition import Step
from core.shared.errors import AppError, InvalidInput, ProviderError
from core.shared.money import format_credits
from core.shared.types import JsonValue


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run is stopped before its end, and how it ends then. `cut` is said of a step that was under way."""

    status: str
    code: str
    message: str
    cut: str

    @property
    def of_run(self) -> dict[str, JsonValue]:
        """The error of the run."""
        return {"code": self.code, "message": self.message, "step_id": None}

    @property
    def of_step(self) -> AppError:
        """The error of a step that was cut."""
        return InvalidInput(self.code, self.cut)


CANCELLED = Stop("cancelled", "CANCELLED", "The run was cancelled.", "The call was stopped when the run was cancelled.")


class BudgetReached(InvalidInput):
    """The next call would pass the run's budget."""

    def __init__(self, max_credits: float, *, pause: bool) -> None:
        said = "Raise max_credits, or set on_exceed to pause or downgrade."
        super().__init__("BUDGET_EXCEEDED", f"This call could pass the budget of {max_credits:g} credits. {said}")
        self.pause = pause


class CapReached(InvalidInput):
    """The next call would pass what the run may take of the cap of what started it."""

    def __init__(self, reserved_micros: int) -> None:
        said = f"This call could pass the {format_credits(reserved_micros)} that were left of its monthly cap"
        text = f"{said} when the run began. What was done is kept: raise the cap of the key or schedule, then retry."
        super().__init__("CAP_REACHED", text)


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
