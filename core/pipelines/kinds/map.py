"""`map`: the same steps for each item of a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import STEP_LIMIT, BaseStep, Name, Shape, Written
from core.pipelines.references import LOOP_DATA, ROOTS

if TYPE_CHECKING:
    from core.pipelines.definition import Step

MAX_ITEMS = 100_000


class MapStep(BaseStep):
    """Runs its steps for each item. Output: a list, for each item the output of its last step."""

    shape: ClassVar[Shape] = "json"
    type: Literal["map"]
    foreach: str = Field(min_length=1, max_length=4000)
    as_: Name = Field(default="item", alias="as")
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=STEP_LIMIT)]
    concurrency: int = Field(default=5, ge=1, le=50)

    @property
    def inner(self) -> tuple[Step, ...]:
        """The steps of one item."""
        return self.steps

    @property
    def local_names(self) -> tuple[str, ...]:
        """The name of the item."""
        return (self.as_,)

    def written(self) -> Iterator[Written]:
        """The list."""
        yield Written(("foreach",), self.foreach, "reference")
        yield from super().written()

    @field_validator("as_")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in (*ROOTS, *LOOP_DATA, "this", "json", "else") or "-" in name:
            raise PydanticCustomError("taken", "`as` must be a free name such as item or row.")
        return name
