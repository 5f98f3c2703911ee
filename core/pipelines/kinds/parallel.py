"""`parallel`: runs its steps together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from core.pipelines.kinds.base import STEP_LIMIT, BaseStep, Shape

if TYPE_CHECKING:
    from core.pipelines.definition import Step


class ParallelStep(BaseStep):
    """Runs its steps together. Output: `{id: output}`."""

    shape: ClassVar[Shape] = "json"
    type: Literal["parallel"]
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=STEP_LIMIT)]

    @property
    def inner(self) -> tuple[Step, ...]:
        """The steps that run together."""
        return self.steps
