"""`llm`: one call of a model, or an agent that may call tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from core.pipelines.kinds.base import BaseStep, Part, Written
from core.pipelines.references import find_references
from core.platform.outbound.allowlist import parse_host_patterns


def _host(written: str) -> str:
    try:
        parse_host_patterns([written])
    except ValueError as problem:
        raise PydanticCustomError("host", "{problem}", {"problem": str(problem).rstrip(".")}) from None
    return written


Tool = Literal["http_request", "extract_json", "template_render", "curl"]
OUTSIDE_TOOLS = frozenset({"http_request", "curl"})


class Agent(Part):
    """Lets the model work in turns with tools, within limits."""

    max_turns: int = Field(default=10, ge=1, le=50)
    max_duration_seconds: int = Field(default=120, ge=1, le=300)
    max_tool_calls: int = Field(default=20, ge=0, le=200)
    tools: Annotated[tuple[Tool, ...], Field(strict=False)] = ()
    network_allowlist: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_host)], ...],
        Field(strict=False, max_length=50),
    ] = ()

    @property
    def acts_outside(self) -> bool:
        """Whether a tool of it acts outside."""
        return bool(OUTSIDE_TOOLS & set(self.tools))

    @model_validator(mode="after")
    def _list_has_an_effect(self) -> Agent:
        if self.network_allowlist and not self.acts_outside:
            raise PydanticCustomError(
                "no_effect", "`network_allowlist` does nothing without the tool http_request or curl: remove it."
            )
        return self


class LlmStep(BaseStep):
    """One call of a model. Output: its text, or the parsed JSON."""

    type: Literal["llm"] = "llm"
    shape: ClassVar[Literal["text"]] = "text"
    model: str | None = Field(default=None, min_length=1, max_length=200)
    prompt: str = Field(min_length=1)
    system_prompt: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    output_schema: dict[str, Any] | None = None
    fallback: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(strict=False, max_length=5)
    ] = ()
    agent: Agent | None = None

    @property
    def wants_json(self) -> bool:
        """Whether the model's text is parsed as JSON."""
        return self.output_format == "json" or self.output_schema is not None

    @property
    def makes_json(self) -> bool:
        """Whether references may go into the output."""
        return self.wants_json

    @property
    def acts_outside(self) -> bool:
        """An agent acts outside when a tool of it does."""
        return super().acts_outside or (self.agent is not None and self.agent.acts_outside)

    @property
    def prompt_secrets(self) -> frozenset[str]:
        """The secrets its prompts name."""
        found = find_references(self.prompt) + find_references(self.system_prompt or "")
        return frozenset(reference.path[0] for reference in found if reference.root == "env" and reference.path)

    def written(self) -> Iterator[Written]:
        """The prompts."""
        yield Written(("prompt",), self.prompt, secrets=True)
        if self.system_prompt is not None:
            yield Written(("system_prompt",), self.system_prompt, secrets=True)
        yield from super().written()

    @model_validator(mode="after")
    def _secrets_have_hosts(self) -> LlmStep:
        agent = self.agent
        if agent is not None and agent.acts_outside and not agent.network_allowlist and self.prompt_secrets:
            raise PydanticCustomError(
                "no_effect",
                "An agent's secrets are filled in only in requests to hosts on `network_allowlist`: list them there.",
            )
        return self

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
