"""The JSON Schema of the pipeline format, for editors."""

from __future__ import annotations

from typing import Any

from core.pipelines.definition import Definition


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a definition, made from the typed model that is executed."""
    schema = Definition.model_json_schema(by_alias=True)
    transform = schema["$defs"]["TransformStep"]
    # A step without a type is an llm step, and a transform does exactly one thing.
    transform["required"] = [*transform["required"], "type"]
    transform["oneOf"] = [{"required": [name]} for name in ("prompt", "template", "extract", "regex")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "stepIQ pipeline",
        "description": "A chain of steps: prompts to models, and transforms.",
    }
