"""The pipeline definition as typed, frozen values.

Only what is executed is a field here. What the format documents but is not executed yet is refused in
`structure.py` by name, so that nothing accepted is silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from core.pipelines.references import value_template
from core.shared.types import JsonValue

STEP_LIMIT = 50
"""The largest number of steps of any plan."""

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*$"
STEP_ID_PATTERN = r"^[a-z0-9_]+$"

Scalar = str | bool | int | float | None
InputType = Literal["string", "integer", "number", "boolean"]
OutputFormat = Literal["text", "json", "markdown"]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
StepId = Annotated[str, Field(pattern=STEP_ID_PATTERN, max_length=100)]


class Part(BaseModel):
    """Base of every part of a definition: frozen, no unknown fields, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class InputField(Part):
    """One named input of a pipeline."""

    type: InputType
    description: str | None = Field(default=None, max_length=2000)
    required: bool = False
    default: Scalar = None
    enum: Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1, max_length=200)] | None = None


class Input(Part):
    """What a run is given."""

    fields: dict[Name, InputField] = Field(default_factory=dict, alias="schema")


class Retry(Part):
    """How often a failed step is tried, and how long to wait before the second try (it doubles after)."""

    max_attempts: int = Field(default=1, ge=1, le=5)
    backoff_ms: int = Field(default=1000, ge=0, le=300_000)


class AgentDefaults(Part):
    """What every `llm` step uses unless it says otherwise."""

    model: str | None = Field(default=None, min_length=1, max_length=200)
    system_prompt: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)


class BaseStep(Part):
    """What every step has, whatever its type."""

    id: StepId
    name: str | None = Field(default=None, min_length=1, max_length=200)
    needs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    timeout_seconds: int = Field(default=60, ge=1, le=300)
    retry: Retry = Retry()
    output_format: OutputFormat | None = None


class LlmStep(BaseStep):
    """One call of a model. Output: its text, or the parsed JSON."""

    type: Literal["llm"] = "llm"
    model: str | None = Field(default=None, min_length=1, max_length=200)
    prompt: str = Field(min_length=1)
    system_prompt: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    output_schema: dict[str, Any] | None = None

    @property
    def wants_json(self) -> bool:
        """Whether the model's text is parsed as JSON."""
        return self.output_format == "json" or self.output_schema is not None

    @model_validator(mode="after")
    def _schema_means_json(self) -> LlmStep:
        if self.output_schema is not None and self.output_format not in (None, "json"):
            raise PydanticCustomError(
                "conflict",
                "`output_schema` describes JSON, but `output_format` is {output_format}: "
                "remove `output_format` or set it to json.",
                {"output_format": self.output_format},
            )
        return self


class RegexRule(Part):
    """What a `transform` step looks for in a text."""

    pattern: str = Field(min_length=1, max_length=2000)
    group: int | str = 0
    from_: str | None = Field(default=None, alias="from", min_length=1)


class TransformStep(BaseStep):
    """Reshapes values without a model: a template, a JMESPath expression or a regular expression."""

    type: Literal["transform"] = "transform"
    prompt: str | None = None
    template: str | None = None
    extract: str | None = Field(default=None, min_length=1, max_length=2000)
    regex: RegexRule | None = None
    from_: str | None = Field(default=None, alias="from", min_length=1)

    @property
    def text_template(self) -> str | None:
        """The template of a template transform, whichever of its two names was used."""
        return self.prompt if self.template is None else self.template

    @model_validator(mode="after")
    def _does_one_thing(self) -> TransformStep:
        kinds = {
            "prompt": self.prompt,
            "template": self.template,
            "extract": self.extract,
            "regex": self.regex,
        }
        given = [name for name, value in kinds.items() if value is not None]
        if len(given) != 1:
            said = "it has none of them" if not given else f"it has {' and '.join(given)}"
            raise PydanticCustomError(
                "one_of",
                "A transform needs exactly one of `template` (or `prompt`), `extract` and `regex`; {said}.",
                {"said": said},
            )
        if self.extract is not None and self.from_ is None:
            raise PydanticCustomError(
                "no_source",
                '`extract` needs `from`, the value to read, such as "{{steps.ID.output}}".',
            )
        if self.regex is not None and (self.regex.from_ is None) == (self.from_ is None):
            raise PydanticCustomError(
                "no_source",
                '`regex` needs `from` once, the text to search, such as "{{steps.ID.output}}".',
            )
        if self.text_template is not None and self.from_ is not None:
            raise PydanticCustomError("no_effect", "`from` does nothing beside a template: remove it.")
        return self

    @property
    def source(self) -> str | None:
        """What `extract` or `regex` reads, as a template."""
        written = self.regex.from_ if self.regex is not None and self.regex.from_ is not None else self.from_
        return None if written is None else value_template(written)


def _step_type(value: Any) -> str:
    kind = value.get("type", "llm") if isinstance(value, Mapping) else getattr(value, "type", "llm")
    return kind if isinstance(kind, str) else "llm"


Step = Annotated[
    Annotated[LlmStep, Tag("llm")] | Annotated[TransformStep, Tag("transform")],
    Discriminator(_step_type),
]
STEP_TYPES: dict[str, type[LlmStep] | type[TransformStep]] = {
    "llm": LlmStep,
    "transform": TransformStep,
}


class Output(Part):
    """What a run returns. `from` is a template, a step id or a reference."""

    from_: str | None = Field(default=None, alias="from", min_length=1)


class Definition(Part):
    """A whole pipeline."""

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
    steps: Annotated[tuple[Step, ...], Field(strict=False, min_length=1, max_length=STEP_LIMIT)]
    output: Output = Output()

    def step(self, step_id: str) -> LlmStep | TransformStep | None:
        """The step with this id, or None."""
        return next((step for step in self.steps if step.id == step_id), None)

    @property
    def step_ids(self) -> tuple[str, ...]:
        """The ids in written order."""
        return tuple(step.id for step in self.steps)


def resolve_models(definition: Definition, default_model: str) -> Definition:
    """The same definition with the model of every `llm` step written out.

    The step's own model, else `agent_defaults.model`, else the installation's default.
    """
    fallback = definition.agent_defaults.model or default_model
    steps = tuple(
        step.model_copy(update={"model": fallback}) if isinstance(step, LlmStep) and step.model is None else step
        for step in definition.steps
    )
    return definition.model_copy(update={"steps": steps})


def with_agent_defaults(step: LlmStep, definition: Definition) -> LlmStep:
    """The step as it runs: what it leaves open is taken from `agent_defaults`."""
    defaults = definition.agent_defaults
    names = ("model", "system_prompt", "temperature", "max_tokens")
    missing = {name: getattr(defaults, name) for name in names if getattr(step, name) is None}
    return step.model_copy(update={name: value for name, value in missing.items() if value is not None})


def to_dict(definition: Definition) -> dict[str, JsonValue]:
    """The definition as plain JSON values, only with the fields that were written."""
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)
