"""A definition as YAML that reads like one written by hand."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from core.pipelines.definition import Definition, to_dict
from core.shared.types import JsonValue

__all__ = ["dump_yaml", "to_dict", "to_yaml"]

TOP_ORDER = (
    "name", "description", "version", "tags", "timeout_seconds", "variables", "input", "agent_defaults", "steps",
    "output", "schedule",
)  # fmt: skip
STEP_ORDER = ("id", "name", "type", "model", "needs")

# What a block scalar cannot show as it is, or what a reader could trim.
NOT_BLOCK = re.compile(
    r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[ \t]\n|[ \t]$"
)
# Plain scalars that a YAML 1.1 reader would take for something else than text.
LOOKS_OTHER = re.compile(r"(?i)y|n|yes|no|on|off|[-+]?[\d.][\d_,.:eExXoO+-]*|\d{4}-\d\d?-\d\d?.*|=|<<")


def to_yaml(definition: Definition) -> str:
    """The definition as YAML 1.2, only with the fields that were written. Reading it gives the same definition."""
    return dump_definition(to_dict(definition))


def dump_definition(data: dict[str, JsonValue]) -> str:
    """A definition as plain values, valid or not, as YAML with its fields in the usual order."""
    ordered: dict[str, JsonValue] = {name: data[name] for name in TOP_ORDER if name in data} | data
    steps = data.get("steps")
    if isinstance(steps, list):
        ordered["steps"] = [_step_in_order(step) for step in steps]
    return dump_yaml(ordered)


def dump_yaml(value: JsonValue) -> str:
    """Plain JSON values as block-style YAML, long texts as blocks."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    yaml.dump(_styled(value), out)
    return out.getvalue().removesuffix("...\n")


def _step_in_order(step: JsonValue) -> JsonValue:
    if not isinstance(step, dict):
        return step
    first: dict[str, JsonValue] = {name: step[name] for name in STEP_ORDER if name in step}
    return first | step


def _styled(value: JsonValue) -> Any:
    """The value with each text in the style that shows it best and reads back the same."""
    if isinstance(value, dict):
        return {_styled_text(key): _styled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_styled(inner) for inner in value]
    return _styled_text(value) if isinstance(value, str) else value


def _styled_text(text: str) -> str:
    if "\n" in text and not text.startswith((" ", "\n")) and text.strip() and not NOT_BLOCK.search(text):
        return cast(str, LiteralScalarString(text))
    readable = text.isprintable() and not LOOKS_OTHER.fullmatch(text)
    return text if readable else cast(str, DoubleQuotedScalarString(text))
