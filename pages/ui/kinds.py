"""What the pages say about kinds of step, in tables. A kind without a row is shown by what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.pipelines.definition import BaseStep, LlmStep, TransformStep
from core.pipelines.dump import dump_yaml

NEW_MAX_TOKENS = 1024
"""What a new model cell may write, so that its quote is no larger than what people usually want."""

_SHARED = frozenset(BaseStep.model_fields) | {"type"}


@dataclass(frozen=True)
class Starter:
    """One way to begin a step: its name and what it does, and the fields it starts with, given what it reads."""

    name: str
    what: str
    icon: str
    step_id: str
    fields: Callable[[str], dict[str, Any]]


STARTERS = {
    "llm": Starter(
        "Model call",
        "Sends a prompt to a model. Costs credits, or runs on your own key.",
        "auto_awesome",
        "answer",
        lambda source: {
            "type": "llm",
            "prompt": f"Say what the model should do.\n\n{source}".rstrip() + "\n",
            "max_tokens": NEW_MAX_TOKENS,
        },
    ),
    "template": Starter(
        "Template",
        "Builds a text from the input and earlier steps. Free.",
        "text_snippet",
        "text",
        lambda source: {"type": "transform", "template": source or "Write the text here."},
    ),
    "extract": Starter(
        "Pick from JSON",
        "Takes values out of JSON with a JMESPath expression. Free.",
        "data_object",
        "pick",
        lambda source: {"type": "transform", "extract": "@", "from": source or "{{input}}"},
    ),
    "regex": Starter(
        "Find in text",
        "Finds a pattern with a regular expression. Free.",
        "find_in_page",
        "find",
        lambda source: {"type": "transform", "regex": {"pattern": "\\d+", "from": source or "{{input}}"}},
    ),
}
"""What can be added, in the order it is offered."""


def kind_of(step: BaseStep) -> str:
    """What a step is, in a word or two."""
    if isinstance(step, LlmStep):
        return "model call"
    if isinstance(step, TransformStep):
        return "JSON" if step.extract is not None else "pattern" if step.regex is not None else "template"
    return type_of(step).replace("_", " ")


def type_of(step: BaseStep) -> str:
    """The `type` of a step as it is written in YAML."""
    return str(getattr(step, "type", "step"))


def source_text(step: BaseStep) -> str:
    """What a step is made of in one text: its prompt, template or expression, else its own fields."""
    if isinstance(step, LlmStep):
        return step.prompt
    if isinstance(step, TransformStep):
        return _transform_text(step)
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


def _transform_text(step: TransformStep) -> str:
    if step.text_template is not None:
        return step.text_template
    if step.extract is not None:
        return f"{step.extract}\nfrom {step.source}"
    return f"/{step.regex.pattern}/\nfrom {step.source}" if step.regex else ""
