"""Which fields exist where: names what is unknown and what belongs elsewhere.

It runs before the typed model, on the plain values, so that each such field gets its own issue and the
rest of the definition is still checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel

from core.pipelines.definition import STEP_TYPES, BaseStep, Definition
from core.pipelines.kinds.base import Part
from core.pipelines.source import Path
from core.shared.types import JsonValue


@dataclass(frozen=True, slots=True)
class Misfit:
    """A field that cannot stay. `on_key`: the key is at fault, else the value."""

    path: Path
    code: str
    message: str
    on_key: bool = True


def field_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The names of a part's fields as they are written."""
    return tuple(info.alias or name for name, info in model.model_fields.items())


def suggestion(word: str, known: Iterable[str]) -> str:
    """` Did you mean ...?`, or nothing."""
    close = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean `{close[0]}`?" if close else ""


def check_structure(
    data: Mapping[str, JsonValue],
) -> tuple[dict[str, JsonValue], list[Misfit]]:
    """The definition without the fields that cannot stay, and those fields."""
    misfits: list[Misfit] = []
    return _part(data, Definition, (), "a pipeline", misfits), misfits


def _part(
    data: Mapping[str, JsonValue], model: type[BaseModel], place: Path, owner: str, misfits: list[Misfit]
) -> dict[str, JsonValue]:
    """What may stay of one part, and of the parts inside it."""
    known = field_names(model)
    misfits.extend(_misfits(data, known, place, owner))
    kept: dict[str, JsonValue] = {}
    for name, info in model.model_fields.items():
        written = info.alias or name
        if written not in data:
            continue
        value = data[written]
        where = (*place, written)
        if written == "steps" and isinstance(value, list):
            value = _steps(value, where, misfits)
        elif (inner := _inner_part(info.annotation)) is not None:
            value = _narrowed(value, inner, where, misfits)
        kept[written] = value
    # In written order, so that what is reported and saved reads as the person wrote it.
    return {name: kept[name] for name in data if name in kept}


def _narrowed(value: JsonValue, model: type[Part], place: Path, misfits: list[Misfit]) -> JsonValue:
    """A part, a list of parts, or parts by name."""
    if isinstance(value, list):
        return [_narrowed(item, model, (*place, index), misfits) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if place == ("input", "schema"):
        return {
            name: _part(item, model, (*place, name), "an input", misfits) if isinstance(item, dict) else item
            for name, item in value.items()
        }
    named = next((str(part) for part in reversed(place) if isinstance(part, str)), "")
    return _part(value, model, place, f"`{named}`", misfits)


def _inner_part(annotation: object) -> type[Part] | None:
    """The part behind a field's type, through `| None`, tuples and mappings."""
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Part) else None
    found = (_inner_part(argument) for argument in get_args(annotation))
    return next((part for part in found if part is not None), None)


def _steps(steps: list[JsonValue], where: Path, misfits: list[Misfit]) -> JsonValue:
    kept: list[JsonValue] = []
    for index, step in enumerate(steps):
        if not isinstance(step, dict):
            kept.append(step)
            continue
        place: Path = (*where, index)
        kind = step.get("type", "llm")
        if not isinstance(kind, str) or kind not in STEP_TYPES:
            misfits.append(_wrong_type(kind, place))
            # What the unknown type would need cannot be judged; what every step has still can.
            common = {name: step[name] for name in field_names(BaseStep) if name in step}
            kept.append({**_part(common, BaseStep, place, "a step", misfits), "type": "llm", "prompt": "-"})
            continue
        owner = f"{'an' if kind == 'llm' else 'a'} {kind} step"
        kept.append(_part(step, STEP_TYPES[kind], place, owner, misfits))
    return kept


def _wrong_type(kind: JsonValue, place: Path) -> Misfit:
    where = (*place, "type")
    kinds = f"Use one of: {', '.join(STEP_TYPES)}."
    if not isinstance(kind, str):
        return Misfit(where, "WRONG_TYPE", f"`type` must be a text. {kinds}", on_key=False)
    message = f"There is no step type `{kind}`.{suggestion(kind, STEP_TYPES)} {kinds}"
    return Misfit(where, "UNKNOWN_TYPE", message, on_key=False)


def _misfits(data: Mapping[str, JsonValue], known: tuple[str, ...], place: Path, owner: str) -> Iterator[Misfit]:
    is_step = len(place) >= 2 and place[-2] == "steps"
    for name in data:
        if name in known:
            continue
        where = (*place, name)
        other = _other_step_with(name) if is_step else None
        if other is not None:
            message = f"`{name}` belongs to {other} steps and does nothing here: remove it or change `type`."
        else:
            listed = "" if suggestion(name, known) else f" It may have: {', '.join(known)}."
            message = f"{owner[0].upper()}{owner[1:]} has no field `{name}`.{suggestion(name, known)}{listed}"
        yield Misfit(where, "UNKNOWN_FIELD", message)


def _other_step_with(name: str) -> str | None:
    return next((kind for kind, model in STEP_TYPES.items() if name in field_names(model)), None)
