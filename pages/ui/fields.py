"""The fields of a kind of step that has no form of its own: one widget a field, by its declared type.

Texts get an editor, choices a list, numbers and switches theirs. What is built of parts (a list, a mapping)
is shown as it is written, with the way to the YAML view.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from core.pipelines.definition import BaseStep
from core.pipelines.dump import dump_yaml

FieldForm = Literal["text", "choice", "integer", "number", "switch", "parts"]

_SHARED = frozenset(BaseStep.model_fields) | {"type"}


@dataclass(frozen=True)
class StepField:
    """One own field of a step, with what a widget needs to know."""

    name: str
    label: str
    form: FieldForm
    value: Any
    optional: bool
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


def fields_of(step: BaseStep) -> Iterator[StepField]:
    """The fields that this kind has and others have not, in declared order."""
    for attribute, info in type(step).model_fields.items():
        if attribute in _SHARED:
            continue
        name = info.alias or attribute
        kind = _without_none(info.annotation)
        yield StepField(
            name=name,
            label=name.replace("_", " ").strip().capitalize(),
            form=_form(kind),
            value=getattr(step, attribute),
            optional=not info.is_required(),
            choices=tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else (),
            least=_bound(info, "ge"),
            most=_bound(info, "le"),
        )


def parts_html(field: StepField) -> str:
    """A field built of parts as it is written."""
    if field.value in (None, (), [], {}):
        return f'<div class="sq-facts"><b>{escape(field.label)}</b> not set. Write it in the YAML view.</div>'
    text = dump_yaml(_plain(field.value)).rstrip()
    return (
        f'<div class="sq-label">{escape(field.label)}</div>'
        f'<pre class="sq-plaintext sq-short" tabindex="0">{escape(text)}</pre>'
        '<div class="sq-facts">Change it in the YAML view.</div>'
    )


def _form(kind: Any) -> FieldForm:
    if get_origin(kind) is Literal:
        return "choice"
    forms: dict[Any, FieldForm] = {bool: "switch", int: "integer", float: "number", str: "text"}
    return forms.get(kind, "parts")


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        return _without_none(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _bound(info: FieldInfo, name: str) -> float | None:
    found = (getattr(rule, name) for rule in info.metadata if getattr(rule, name, None) is not None)
    return next(found, None)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.model_dump(mode="json", by_alias=True, exclude_unset=True) if hasattr(value, "model_dump") else value
