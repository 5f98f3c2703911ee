"""Conditions in CEL (Common Expression Language, cel.dev)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cel

from core.shared.errors import InvalidInput


def expression_fault(text: str, *, names: tuple[str, ...] = ()) -> str | None:
    """What is wrong with a condition, or None."""
    try:
        cel.compile(text)
    except Exception:
        return "This is not a condition. An example: `steps.score.output.value > 3 && input.strict`."
    return None


def evaluate_condition(text: str, scope: Mapping[str, Any]) -> bool:
    """Whether a condition holds. Raises InvalidInput CONDITION_FAILED."""
    try:
        return bool(cel.evaluate(text, dict(scope)))
    except Exception as error:
        raise InvalidInput("CONDITION_FAILED", f"The condition could not be decided: {error}") from None
