"""`code`: a few lines of Python or JavaScript in a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from core.pipelines.kinds.base import BaseStep, Written


class CodeStep(BaseStep):
    """Runs code that sees `input`, `vars` and `steps`. Output: the value of its variable `output`."""

    type: Literal["code"]
    language: Literal["python", "javascript"]
    source: str = Field(min_length=1, max_length=100_000)

    def written(self) -> Iterator[Written]:
        """The source, which names steps as `steps["id"]` or `steps.id`."""
        yield Written(("source",), self.source, "code")
        yield from super().written()
