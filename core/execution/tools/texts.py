"""`extract_json` and `template_render`: work on texts that models get wrong by hand. Nothing leaves the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from core.execution.tools.port import Arguments, ToolAnswer, ToolContext, ToolError, check_names, text_of
from core.pipelines.outputs import parse_output
from core.pipelines.templates import render
from core.pipelines.transforms import expression_problem, extract_value
from core.providers.domain import ToolSpec

EXTRACT_JSON = ToolSpec(
    "extract_json",
    "Find the JSON in a text (it may stand in a code fence or a sentence) and, with a JMESPath expression, take a part "
    "of it.",
    {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "expression": {"type": "string", "description": "JMESPath, such as items[?price > `10`].name"},
        },
        "required": ["text"],
    },
)
TEMPLATE_RENDER = ToolSpec(
    "template_render",
    "Fill in a template: {{name}} prints a value, {{#if name}}…{{else}}…{{/if}} and {{#each list}}…{{this}}…{{/each}} "
    "decide and repeat, {{json name}} prints JSON. It sees only the values given with it.",
    {
        "type": "object",
        "properties": {"template": {"type": "string"}, "values": {"type": "object"}},
        "required": ["template", "values"],
    },
)


async def extract_json(arguments: Arguments, _context: ToolContext) -> ToolAnswer:
    """Raises ToolError, and InvalidInput for a text without JSON or a value the expression does not fit."""
    check_names(arguments, ("text", "expression"), ("text",))
    text = text_of(arguments, "text")
    expression = text_of(arguments, "expression") if arguments.get("expression") else None
    if expression is not None and (problem := expression_problem(expression)) is not None:
        raise ToolError(problem)
    return ToolAnswer(await asyncio.to_thread(_extracted, text, expression))


def _extracted(text: str, expression: str | None) -> str:
    value = parse_output(text)
    return json.dumps(value if expression is None else extract_value(expression, value), ensure_ascii=False)


async def template_render(arguments: Arguments, _context: ToolContext) -> ToolAnswer:
    """Raises ToolError, and InvalidInput for a template that is malformed or names what is not there."""
    check_names(arguments, ("template", "values"), ("template", "values"))
    template, values = text_of(arguments, "template"), arguments["values"]
    if not isinstance(values, Mapping):
        raise ToolError("The values must be an object.")
    scope: dict[str, Any] = dict(values)
    return ToolAnswer(await asyncio.to_thread(render, template, scope))
