"""`pipeline`: another pipeline as a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from core.pipelines.kinds.base import BaseStep, Name, Written, written_values

MAX_NESTING = 5
"""How deep pipelines may call pipelines."""


class PipelineStep(BaseStep):
    """Runs another pipeline of the same person. Output: its output."""

    type: Literal["pipeline"]
    pipeline: str = Field(min_length=1, max_length=200)
    version: int | None = Field(default=None, ge=1)
    input: Annotated[dict[Name, Any], Field(max_length=200)] | str | None = None

    def written(self) -> Iterator[Written]:
        """What the other pipeline is given."""
        yield from written_values(self.input, ("input",))
        yield from super().written()

    @property
    def is_barrier(self) -> bool:
        """What stands in the other pipeline is not known here, and may act outside."""
        return True
