"""`human_review`: waits for a person's decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from core.pipelines.kinds.base import BaseStep, Shape, Written

DEFAULT_HOURS = 72.0


class HumanReviewStep(BaseStep):
    """Shows a person what the step before made. Output: `{decision, output, comment}`."""

    barrier: ClassVar[bool] = True
    shape: ClassVar[Shape] = "json"
    type: Literal["human_review"]
    message: str = Field(min_length=1, max_length=20_000)
    timeout_hours: float = Field(default=DEFAULT_HOURS, gt=0, le=24 * 90)
    on_timeout: Literal["approve", "reject"] = "reject"
    editable: bool = False

    def written(self) -> Iterator[Written]:
        """What the reviewer is told."""
        yield Written(("message",), self.message)
        yield from super().written()
