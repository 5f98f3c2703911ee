"""Which fields exist where: names what is unknown, what belongs elsewhere and what is not executed yet.

It runs before the typed model, on the plain values, so that each such field gets its own issue and the
rest of the definition is still checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import BaseModel

from core.pipelines.definition import (
    STEP_TYPES,
    AgentDefaults,
    BaseStep,
    Definition,
    Input,
    InputField,
    Output,
    RegexRule,
    Retry,
)
from core.pipelines.source import Path
from core.shared.types import JsonValue

LATER_TYPES = (
    "condition",
    "parallel",
    "webhook",
    "human_review",
    "code",
    "sql",
    "map",
    "pipeline",
)
LATER_TOP = ("schedule", "notifications", "budget")
LATER_OUTPUT = ("deliver",)
LATER_INPUT = ("file",)
LATER_STEP = ("on_condition", "fallback", "agent")


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
    top = _keep(data, field_names(Definition), LATER_TOP, (), "a pipeline", misfits)
    _narrow(top, "output", Output, LATER_OUTPUT, (), misfits)
    _narrow(top, "agent_defaults", AgentDefaults, (), (), misfits)
    _narrow(top, "input", Input, (), (), misfits)
    given = top.get("input")
    if isinstance(given, dict) and isinstance(given.get("schema"), dict):
        given["schema"] = _inputs(given["schema"], misfits)
    if isinstance(top.get("steps"), list):
        top["steps"] = _steps(top["steps"], misfits)
    return top, misfits


def _inputs(schema: JsonValue, misfits: list[Misfit]) -> JsonValue:
    assert isinstance(schema, dict)
    kept: dict[str, JsonValue] = {}
    for name, spec in schema.items():
        place: Path = ("input", "schema", name)
        if isinstance(spec, dict):
            kept[name] = _keep(spec, field_names(InputField), LATER_INPUT, place, "an input", misfits)
        else:
            kept[name] = spec
    return kept


def _steps(steps: JsonValue, misfits: list[Misfit]) -> JsonValue:
    assert isinstance(steps, list)
    kept: list[JsonValue] = []
    for index, step in enumerate(steps):
        if not isinstance(step, dict):
            kept.append(step)
            continue
        place: Path = ("steps", index)
        kind = step.get("type", "llm")
        if not isinstance(kind, str) or kind not in STEP_TYPES:
            misfits.append(_wrong_type(kind, place))
            # What the unknown type would need cannot be judged; what every step has still can.
            common = {name: step[name] for name in field_names(BaseStep) if name in step}
            clean = {**common, "type": "llm", "prompt": "-"}
            _narrow(clean, "retry", Retry, (), place, misfits)
            kept.append(clean)
            continue
        clean = _keep(
            step,
            field_names(STEP_TYPES[kind]),
            LATER_STEP,
            place,
            f"{'an' if kind == 'llm' else 'a'} {kind} step",
            misfits,
        )
        _narrow(clean, "retry", Retry, (), place, misfits)
        if kind == "transform":
            _narrow(clean, "regex", RegexRule, (), place, misfits)
        kept.append(clean)
    return kept


def _wrong_type(kind: JsonValue, place: Path) -> Misfit:
    where = (*place, "type")
    if kind in LATER_TYPES:
        message = f"Steps of type `{kind}` are not supported yet: use `llm` or `transform`."
        return Misfit(where, "NOT_SUPPORTED_YET", message, on_key=False)
    if not isinstance(kind, str):
        return Misfit(where, "WRONG_TYPE", "`type` must be a text: `llm` or `transform`.", on_key=False)
    hint = suggestion(kind, (*STEP_TYPES, *LATER_TYPES))
    return Misfit(
        where,
        "UNKNOWN_TYPE",
        f"There is no step type `{kind}`.{hint} Use `llm` or `transform`.",
        on_key=False,
    )


def _narrow(
    parent: dict[str, JsonValue],
    name: str,
    model: type[BaseModel],
    later: tuple[str, ...],
    place: Path,
    misfits: list[Misfit],
) -> None:
    """Replace the part `name` of `parent` by what may stay of it."""
    part = parent.get(name)
    if isinstance(part, dict):
        parent[name] = _keep(part, field_names(model), later, (*place, name), f"`{name}`", misfits)


def _keep(
    data: Mapping[str, JsonValue],
    known: tuple[str, ...],
    later: tuple[str, ...],
    place: Path,
    owner: str,
    misfits: list[Misfit],
) -> dict[str, JsonValue]:
    misfits.extend(_misfits(data, known, later, place, owner))
    return {name: value for name, value in data.items() if name in known}


def _misfits(
    data: Mapping[str, JsonValue],
    known: tuple[str, ...],
    later: tuple[str, ...],
    place: Path,
    owner: str,
) -> Iterator[Misfit]:
    for name in data:
        if name in known:
            continue
        where = (*place, name)
        if name in later:
            message = f"`{name}` is not supported yet: remove it."
            yield Misfit(where, "NOT_SUPPORTED_YET", message)
            continue
        other = _other_step_with(name) if place[:1] == ("steps",) and len(place) == 2 else None
        if other is not None:
            message = f"`{name}` belongs to {other} steps and does nothing here: remove it or change `type`."
        else:
            listed = "" if suggestion(name, known) else f" It may have: {', '.join(known)}."
            message = f"{owner[0].upper()}{owner[1:]} has no field `{name}`.{suggestion(name, known)}{listed}"
        yield Misfit(where, "UNKNOWN_FIELD", message)


def _other_step_with(name: str) -> str | None:
    return next((kind for kind, model in STEP_TYPES.items() if name in field_names(model)), None)
