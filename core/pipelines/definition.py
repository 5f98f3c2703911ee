"""The pipeline definition as typed, frozen values.

Only what is executed is a field here; whatever else is written is refused in `structure.py` by name, so that nothing
accepted is silently ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import (
    NAME_PATTERN,
    STEP_ID_PATTERN,
    STEP_LIMIT,
    BaseStep,
    Name,
    OutputFormat,
    Part,
    Retry,
    Scalar,
)
from core.pipelines.kinds.code import CodeStep
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.kinds.human_review import HumanReviewStep
from core.pipelines.kinds.llm import LlmStep
from core.pipelines.kinds.map import MapStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.kinds.pipeline import PipelineStep
from core.pipelines.kinds.sql import SqlStep
from core.pipelines.kinds.transform import RegexRule, TransformStep
from core.pipelines.kinds.webhook import WebhookStep
from core.pipelines.references import find_references
from core.pipelines.source import Path
from core.pipelines.targets import Notifications, Target, Targets
from core.shared.types import JsonValue

__all__ = [
    "NAME_PATTERN",
    "STEP_ID_PATTERN",
    "STEP_LIMIT",
    "STEP_TYPES",
    "AgentDefaults",
    "BaseStep",
    "Budget",
    "Definition",
    "Input",
    "InputField",
    "InputType",
    "LlmStep",
    "Output",
    "OutputFormat",
    "RegexRule",
    "Retry",
    "Schedule",
    "Step",
    "TransformStep",
    "resolve_models",
    "to_dict",
    "walk_steps",
    "with_agent_defaults",
]

InputType = Literal["string", "integer", "number", "boolean"]


class InputField(Part):
    """One named input of a pipeline. A `file` is given by its id."""

    type: InputType
    description: str | None = Field(default=None, max_length=2000)
    required: bool = False
    default: Scalar = None
    enum: Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1, max_length=200)] | None = None
    file: bool = False


class Input(Part):
    """What a run is given."""

    fields: dict[Name, InputField] = Field(default_factory=dict, alias="schema")


class AgentDefaults(Part):
    """What every `llm` step uses unless it says otherwise."""

    model: str | None = Field(default=None, min_length=1, max_length=200)
    system_prompt: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)


class Budget(Part):
    """The most a run may spend, and what happens before the call that would pass it."""

    max_credits: float = Field(ge=0, le=1_000_000)
    on_exceed: Literal["stop", "pause", "downgrade"] = "stop"
    downgrade_to: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_the_cheaper_model(self) -> Budget:
        if (self.on_exceed == "downgrade") != (self.downgrade_to is not None):
            raise PydanticCustomError(
                "no_effect", "`downgrade_to` names the cheaper model, and only `on_exceed: downgrade` uses it."
            )
        return self


class Schedule(Part):
    """When the newest version runs by itself. It has no inputs to give: each that is required has a default."""

    enabled: bool = True
    cron: str = Field(min_length=1, max_length=100)
    timezone: str = Field(default="UTC", min_length=1, max_length=60)


def _step_type(value: Any) -> str:
    kind = value.get("type", "llm") if isinstance(value, Mapping) else getattr(value, "type", "llm")
    return kind if isinstance(kind, str) else "llm"


Step = Annotated[
    Annotated[LlmStep, Tag("llm")]
    | Annotated[TransformStep, Tag("transform")]
    | Annotated[ConditionStep, Tag("condition")]
    | Annotated[ParallelStep, Tag("parallel")]
    | Annotated[WebhookStep, Tag("webhook")]
    | Annotated[HumanReviewStep, Tag("human_review")]
    | Annotated[CodeStep, Tag("code")]
    | Annotated[SqlStep, Tag("sql")]
    | Annotated[MapStep, Tag("map")]
    | Annotated[PipelineStep, Tag("pipeline")],
    Discriminator(_step_type),
]
STEP_TYPES: dict[str, type[BaseStep]] = {
    "llm": LlmStep,
    "transform": TransformStep,
    "condition": ConditionStep,
    "parallel": ParallelStep,
    "webhook": WebhookStep,
    "human_review": HumanReviewStep,
    "code": CodeStep,
    "sql": SqlStep,
    "map": MapStep,
    "pipeline": PipelineStep,
}
for _container in (ParallelStep, MapStep):
    _container.model_rebuild(_types_namespace={"Step": Step, **vars()})


class Output(Part):
    """What a run returns, and where it is sent. `from` is a template, a step id or a reference."""

    from_: str | None = Field(default=None, alias="from", min_length=1)
    deliver: Targets = ()


class Definition(Part):
    """A whole pipeline. `timeout_seconds` limits the time its run is under way; waiting for a person does not count."""

    name: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=2000)
    version: Literal[1] = 1
    tags: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=50)], ...],
        Field(strict=False),
    ] = ()
    variables: dict[Name, Scalar] = Field(default_factory=dict)
    input: Input = Input()
    agent_defaults: AgentDefaults = AgentDefaults()
    budget: Budget | None = None
    timeout_seconds: int | None = Field(default=None, ge=1, le=86_400)
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=STEP_LIMIT)]
    output: Output = Output()
    notifications: Notifications = Notifications()
    schedule: Schedule | None = None

    @property
    def targets(self) -> tuple[tuple[Path, Target], ...]:
        """Every receiver with its path in the definition."""
        lists: tuple[tuple[Path, tuple[Target, ...]], ...] = (
            (("output", "deliver"), self.output.deliver),
            (("notifications", "on_success"), self.notifications.on_success),
            (("notifications", "on_failure"), self.notifications.on_failure),
        )
        return tuple(((*path, index), target) for path, targets in lists for index, target in enumerate(targets))

    @property
    def secret_names(self) -> frozenset[str]:
        """The secrets that a run uses."""
        names = {target.signing_secret_name for _, target in self.targets}
        written = [written for _, step in walk_steps(self.steps) for written in step.written()]
        written += [each for _, target in self.targets for each in target.written()]
        for each in written:
            if each.secrets and "env" in each.text:
                names |= {found.path[0] for found in find_references(each.text) if found.root == "env" and found.path}
        return frozenset(name for name in names if name)

    def step(self, step_id: str) -> Step | None:
        """The step with this id, at whatever depth, or None."""
        return next((step for _, step in walk_steps(self.steps) if step.id == step_id), None)

    @property
    def step_ids(self) -> tuple[str, ...]:
        """The ids of the outermost steps in written order."""
        return tuple(step.id for step in self.steps)

    @property
    def llm_steps(self) -> tuple[LlmStep, ...]:
        """Every step that calls a model, at whatever depth."""
        return tuple(step for _, step in walk_steps(self.steps) if isinstance(step, LlmStep))


def read_definition(saved: Mapping[str, JsonValue]) -> Definition:
    """A definition from the JSON it was stored as, checked when it was saved.

    The newest 256 are remembered: a run reads its own several times, and each reading costs as much as a small step.
    """
    return _read(json.dumps(saved, separators=(",", ":")))


@lru_cache(maxsize=256)
def _read(text: str) -> Definition:
    return Definition.model_validate(json.loads(text))


def walk_steps(steps: tuple[Step, ...], path: Path = ("steps",)) -> Iterator[tuple[Path, Step]]:
    """Every step in written order, those inside others included, with its path in the definition."""
    for index, step in enumerate(steps):
        here = (*path, index)
        yield here, step
        yield from walk_steps(step.inner, (*here, "steps"))


def map_steps(steps: tuple[Step, ...], change: Callable[[Step], Step]) -> tuple[Step, ...]:
    """The steps with each one changed, those inside others first."""
    changed = []
    for step in steps:
        if step.inner:
            inner = map_steps(step.inner, change)
            step = step if inner == step.inner else step.model_copy(update={"steps": inner})
        changed.append(change(step))
    return tuple(changed)


def resolve_models(definition: Definition, default_model: str) -> Definition:
    """The same definition with the model of every `llm` step written out.

    The step's own model, else `agent_defaults.model`, else the installation's default.
    """
    fallback = definition.agent_defaults.model or default_model

    def resolved(step: Step) -> Step:
        if isinstance(step, LlmStep) and step.model is None:
            return step.model_copy(update={"model": fallback})
        return step

    return definition.model_copy(update={"steps": map_steps(definition.steps, resolved)})


def with_agent_defaults(step: LlmStep, definition: Definition) -> LlmStep:
    """The step as it runs: what it leaves open is taken from `agent_defaults`."""
    defaults = definition.agent_defaults
    names = ("model", "system_prompt", "temperature", "max_tokens")
    missing = {name: getattr(defaults, name) for name in names if getattr(step, name) is None}
    return step.model_copy(update={name: value for name, value in missing.items() if value is not None})


def to_dict(definition: Definition) -> dict[str, JsonValue]:
    """The definition as plain JSON values, only with the fields that were written."""
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)
