"""What the pages say about kinds of step, in tables. A kind without a row is shown by what it is made of."""

from __future__ import annotations

from typing import Any

from core.pipelines.definition import BaseStep, LlmStep, TransformStep
from core.pipelines.dump import dump_yaml
from core.pipelines.kinds.code import CodeStep
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.kinds.human_review import HumanReviewStep
from core.pipelines.kinds.map import MapStep
from core.pipelines.kinds.parallel import ParallelStep
from core.pipelines.kinds.pipeline import PipelineStep
from core.pipelines.kinds.sql import SqlStep
from core.pipelines.kinds.webhook import WebhookStep

_SHARED = frozenset(BaseStep.model_fields) | {"type"}


WORDS = {
    "llm": "model call",
    "condition": "condition",
    "parallel": "side by side",
    "webhook": "web request",
    "human_review": "review",
    "sql": "SQL",
    "map": "for each",
    "pipeline": "pipeline",
}


def kind_of(step: BaseStep) -> str:
    """What a step is, in a word or two."""
    if isinstance(step, LlmStep):
        return WORDS["llm"] if step.agent is None else "agent"
    if isinstance(step, TransformStep):
        return "JSON" if step.extract is not None else "pattern" if step.regex is not None else "template"
    if isinstance(step, CodeStep):
        return "Python" if step.language == "python" else "JavaScript"
    return WORDS.get(type_of(step)) or type_of(step).replace("_", " ")


def type_of(step: BaseStep) -> str:
    """The `type` of a step as it is written in YAML."""
    return str(getattr(step, "type", "step"))


def source_text(step: BaseStep) -> str:
    """What a step is made of in one text: its prompt, template, code or condition, else its own fields."""
    for kind, text in TEXTS.items():
        if isinstance(step, kind):
            return str(text(step))
    values = own_values(step)
    texts = [value for value in values.values() if isinstance(value, str)]
    return texts[0] if len(values) == 1 and texts else dump_yaml(values).rstrip()


def own_values(step: BaseStep) -> dict[str, Any]:
    """The fields a step was written with, without those that every kind has."""
    written = step.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {name: value for name, value in written.items() if name not in _SHARED}


def reads_as_markdown(step: BaseStep) -> bool:
    """Whether a text output is Markdown: said so, or a model's text with nothing said."""
    return step.output_format == "markdown" or (isinstance(step, LlmStep) and step.output_format is None)


def reads_as_code(step: BaseStep) -> bool:
    """Whether what a step is made of is a program rather than prose."""
    return isinstance(step, CodeStep | SqlStep | ConditionStep | WebhookStep)


def _transform_text(step: TransformStep) -> str:
    if step.text_template is not None:
        return step.text_template
    if step.extract is not None:
        return f"{step.extract}\nfrom {step.source}"
    return f"/{step.regex.pattern}/\nfrom {step.source}" if step.regex else ""


def _condition_text(step: ConditionStep) -> str:
    ways = [f"true: {step.then}"] if step.then else []
    ways += [f"false: {step.else_}"] if step.else_ else []
    return "\n".join([step.if_, *ways])


def _webhook_text(step: WebhookStep) -> str:
    body = "" if step.body is None else step.body if isinstance(step.body, str) else dump_yaml(step.body).rstrip()
    return f"{step.method} {step.url}\n{body}".rstrip()


def _map_text(step: MapStep) -> str:
    return f"{step.as_} of {step.foreach.strip()}, {step.concurrency} at a time"


def _pipeline_text(step: PipelineStep) -> str:
    version = f"v{step.version}" if step.version else "newest version"
    given = step.input if isinstance(step.input, str) else dump_yaml(step.input).rstrip() if step.input else ""
    return f"{step.pipeline}, {version}\n{given}".rstrip()


TEXTS: dict[type[BaseStep], Any] = {
    LlmStep: lambda step: step.prompt,
    TransformStep: _transform_text,
    ConditionStep: _condition_text,
    WebhookStep: _webhook_text,
    HumanReviewStep: lambda step: step.message,
    CodeStep: lambda step: step.source,
    SqlStep: lambda step: step.query,
    MapStep: _map_text,
    ParallelStep: lambda step: "",
    PipelineStep: _pipeline_text,
}
"""What a light cell shows of each kind."""
