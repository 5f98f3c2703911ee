"""`sql`: a query over the outputs of steps and over files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from core.pipelines.kinds.base import BaseStep, Shape, Written


class SqlStep(BaseStep):
    """Runs one query. Tables are named by the id of a step, or by an input that is a file. Output: rows."""

    shape: ClassVar[Shape] = "json"
    type: Literal["sql"]
    query: str = Field(min_length=1, max_length=100_000)

    def written(self) -> Iterator[Written]:
        """The query, which names steps as tables."""
        yield Written(("query",), self.query, "sql")
        yield from super().written()
