"""Which attempt comes after a failed one: the same model again, the next one, or none. Pure but for the jitter."""

from dataclasses import dataclass
from random import uniform
from typing import Any

from core.execution.domain import backoff_ms
from core.pipelines.definition import LlmStep, Step
from core.shared.errors import AppError, ProviderError
from core.shared.types import JsonValue

JITTER = 0.2
"""The share by which a wait is made longer at random, so that what failed together does not return together."""


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt: `number` with the `model`-th model (0 is the step's own, then its fallbacks), after `wait_ms`."""

    number: int = 1
    model: int = 0
    wait_ms: int = 0

    @classmethod
    def read(cls, value: JsonValue) -> "Try":
        """From the notes of an attempt."""
        if not isinstance(value, dict):
            return cls()
        stored: dict[str, Any] = value
        return cls(stored["number"], stored["model"])

    def as_json(self) -> JsonValue:
        """As the notes of the attempt before."""
        return {"number": self.number, "model": self.model}

    def model_of(self, step: Step) -> str | None:
        """The model that stands in for the step's own; None for its own."""
        return step.fallback[self.model - 1] if self.model and isinstance(step, LlmStep) else None


def next_try(step: Step, tried: Try, error: AppError) -> Try | None:
    """What comes after a failed attempt, or None.

    The wait doubles, is at least what the vendor asked for, and is never the same twice. When a model's attempts
    are used up, or trying it again would not help, the next fallback is tried at once.
    """
    if getattr(error, "retryable", False) and tried.number < step.retry.max_attempts:
        wait = backoff_ms(step.retry.backoff_ms, tried.number, getattr(error, "retry_after", None))
        return Try(tried.number + 1, tried.model, int(wait * uniform(1, 1 + JITTER)))  # noqa: S311
    if isinstance(step, LlmStep) and isinstance(error, ProviderError) and tried.model < len(step.fallback):
        return Try(1, tried.model + 1)
    return None
