"""What changed between two versions, as text and step by step."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from core.pipelines.definition import Definition, to_dict
from core.shared.types import JsonValue

Change = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field before and after; None is not written."""

    name: str
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, slots=True)
class StepChange:
    """What happened to one step; `step_id` is None for the pipeline's own fields."""

    step_id: str | None
    kind: Change
    fields: tuple[FieldChange, ...] = ()


def diff_text(before: str, after: str, *, before_name: str = "before", after_name: str = "after") -> str:
    """A unified diff with three lines of context; empty when nothing changed."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), before_name, after_name, lineterm="")
    return "\n".join(lines)


def diff_steps(before: Definition, after: Definition) -> tuple[StepChange, ...]:
    """What changed, in the order of the newer definition: the pipeline's own fields, its steps, then those removed."""
    changes: list[StepChange] = []
    own = _fields(_without_steps(before), _without_steps(after))
    if own:
        changes.append(StepChange(None, "changed", own))
    old = {step.id: _plain(step.model_dump(mode="json", by_alias=True, exclude_unset=True)) for step in before.steps}
    new = {step.id: _plain(step.model_dump(mode="json", by_alias=True, exclude_unset=True)) for step in after.steps}
    moved = _moved([name for name in old if name in new], [name for name in new if name in old])
    for name, step in new.items():
        if name not in old:
            changes.append(StepChange(name, "added", _fields({}, step)))
        elif fields := _fields(old[name], step):
            changes.append(StepChange(name, "changed", fields))
        elif name in moved:
            changes.append(StepChange(name, "moved"))
    changes += [StepChange(name, "removed", _fields(step, {})) for name, step in old.items() if name not in new]
    return tuple(changes)


def _plain(step: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {"type": "llm", **step}


def _without_steps(definition: Definition) -> dict[str, JsonValue]:
    return {name: value for name, value in to_dict(definition).items() if name != "steps"}


def _fields(before: dict[str, JsonValue], after: dict[str, JsonValue]) -> tuple[FieldChange, ...]:
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        FieldChange(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def _moved(before: list[str], after: list[str]) -> set[str]:
    """The steps outside of the longest run of steps that kept their order."""
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    kept = {name for block in matcher.get_matching_blocks() for name in after[block.b : block.b + block.size]}
    return set(after) - kept
