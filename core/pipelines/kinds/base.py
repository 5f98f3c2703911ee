"""What every step has, whatever its kind, and the questions that validation and the engine ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.pipelines.source import Path

if TYPE_CHECKING:
    from core.pipelines.definition import Step

STEP_LIMIT = 50
"""The largest number of steps of any plan."""

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*$"
STEP_ID_PATTERN = r"^[a-z0-9_]+$"
END = "end"
"""The target of a jump that ends its list of steps."""

Scalar = str | bool | int | float | None
OutputFormat = Literal["text", "json", "markdown"]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
StepId = Annotated[str, Field(pattern=STEP_ID_PATTERN, max_length=100)]
Reading = Literal["text", "value", "reference", "cel", "code", "sql"]
Shape = Literal["text", "json", "any"]


class Part(BaseModel):
    """Base of every part of a definition: frozen, no unknown fields, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Retry(Part):
    """How often a failed step is tried, and how long to wait before the second try (it doubles after)."""

    max_attempts: int = Field(default=1, ge=1, le=5)
    backoff_ms: int = Field(default=1000, ge=0, le=300_000)


class OnCondition(Part):
    """Where control goes after a step when a condition holds. A jump backwards may happen `max_loops` times."""

    if_: str = Field(alias="if", min_length=1, max_length=4000)
    goto: str = Field(min_length=1, max_length=100)
    max_loops: int | None = Field(default=None, ge=1, le=10)


@dataclass(frozen=True, slots=True)
class Written:
    """A field that reads values: where it stands in the step, its text, and how it is read.

    `text` is a template; `value` a template whose only reference keeps its type; `reference` the same, or a
    reference without braces; `cel` a condition; `code` and `sql` name steps in their own way. `secrets`: whether
    `{{env.NAME}}` may stand here.
    """

    path: Path
    text: str
    reading: Reading = "text"
    secrets: bool = False


@dataclass(frozen=True, slots=True)
class JumpRule:
    """A jump a step may make: where it is written, its target, and how often it may go backwards."""

    path: Path
    target: str
    max_loops: int | None = None
    can_loop: bool = True


class BaseStep(Part):
    """What every step has, whatever its type."""

    barrier: ClassVar[bool] = False
    """Whether the kind acts outside or decides: it waits for all before it, and all after wait for it."""
    shape: ClassVar[Shape] = "any"
    """What the output is: a text, JSON, or either."""

    id: StepId
    name: str | None = Field(default=None, min_length=1, max_length=200)
    needs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    timeout_seconds: int = Field(default=60, ge=1, le=300)
    retry: Retry = Retry()
    on_condition: Annotated[tuple[OnCondition, ...], Field(strict=False, max_length=10)] = ()
    output_format: OutputFormat | None = None

    @property
    def inner(self) -> tuple[Step, ...]:
        """The steps inside this one."""
        return ()

    @property
    def local_names(self) -> tuple[str, ...]:
        """Names that the steps inside see beside `input`, `vars` and `steps`."""
        return ()

    @property
    def acts_outside(self) -> bool:
        """Whether this very step acts outside or decides, as it is written."""
        return self.barrier or bool(self.on_condition)

    @property
    def is_barrier(self) -> bool:
        """Whether this step or one inside it acts outside or decides."""
        return self.acts_outside or any(step.is_barrier for step in self.inner)

    @property
    def makes_json(self) -> bool:
        """Whether references may go into the output."""
        return self.shape != "text" if self.output_format is None else self.output_format == "json"

    def written(self) -> Iterator[Written]:
        """The fields that read values, without those of the steps inside."""
        for index, rule in enumerate(self.on_condition):
            yield Written(("on_condition", index, "if"), rule.if_, "cel")

    def jumps(self) -> Iterator[JumpRule]:
        """The jumps this step may make."""
        for index, rule in enumerate(self.on_condition):
            yield JumpRule(("on_condition", index, "goto"), rule.goto, rule.max_loops)


def written_values(value: Any, path: Path, *, secrets: bool = False) -> Iterator[Written]:
    """Every text inside a JSON value, each read as a value."""
    if isinstance(value, str):
        yield Written(path, value, "value", secrets)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from written_values(inner, (*path, key), secrets=secrets)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from written_values(inner, (*path, index), secrets=secrets)
