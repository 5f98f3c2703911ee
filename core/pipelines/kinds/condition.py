"""`condition`: decides where control goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import BaseStep, JumpRule, Shape, Written


class ConditionStep(BaseStep):
    """True or false. `then` and `else` are jumps forwards; the one that is not written means the next step."""

    barrier: ClassVar[bool] = True
    shape: ClassVar[Shape] = "text"
    type: Literal["condition"]
    if_: str = Field(alias="if", min_length=1, max_length=4000)
    then: str | None = Field(default=None, min_length=1, max_length=100)
    else_: str | None = Field(default=None, alias="else", min_length=1, max_length=100)

    def written(self) -> Iterator[Written]:
        """The condition: CEL, or a template where it has braces."""
        yield Written(("if",), self.if_, "text" if "{{" in self.if_ else "cel")
        yield from super().written()

    def jumps(self) -> Iterator[JumpRule]:
        """Both ways out."""
        if self.then is not None:
            yield JumpRule(("then",), self.then, can_loop=False)
        if self.else_ is not None:
            yield JumpRule(("else",), self.else_, can_loop=False)
        yield from super().jumps()

    @model_validator(mode="after")
    def _has_no_second_way(self) -> ConditionStep:
        if self.on_condition and (self.then or self.else_):
            raise PydanticCustomError(
                "conflict", "`then` and `else` already say where control goes: remove them, or `on_condition`."
            )
        return self
