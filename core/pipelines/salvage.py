"""What is left of a definition without its faulty fields, so that the rest is still checked.

One mistyped field must not hide the unknown reference three lines below it.
"""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ValidationError

from core.pipelines.definition import STEP_TYPES, Definition
from core.shared.types import JsonValue

ROUNDS = 4

STAND_INS: dict[str, JsonValue] = {"name": "-", "prompt": "-", "pattern": "-", "type": "string", "cron": "0 0 * * *"}


def salvage(data: dict[str, JsonValue], error: ValidationError) -> Definition | None:
    """The definition with faulty fields taken out and missing ones filled in; None when that fails."""
    rest: Any = copy.deepcopy(data)
    for _ in range(ROUNDS):
        for detail in error.errors(include_url=False, include_context=False):
            _mend(rest, list(detail["loc"]), detail["type"])
        try:
            return Definition.model_validate(rest)
        except ValidationError as again:
            error = again
    return None


def _mend(rest: Any, loc: list[str | int], kind: str) -> None:
    """Take one faulty field out, or put a stand-in where one is missing."""
    loc = [part for index, part in enumerate(loc) if not _is_step_type(loc, index)]
    if len(loc) >= 2 and loc[-2] == "steps" and isinstance(loc[-1], int):
        _reduce_step(rest, loc)
        return
    parent: Any = rest
    for part in loc[:-1]:
        inside = isinstance(part, str) and isinstance(parent, dict) and part in parent
        inside = inside or (isinstance(part, int) and isinstance(parent, list) and part < len(parent))
        if not inside:
            # The location goes on into a branch of a union: the value itself is at fault.
            _take_out(rest, loc[: loc.index(part)])
            return
        parent = parent[part]
    last = loc[-1]
    if kind == "missing" and isinstance(parent, dict) and isinstance(last, str):
        parent[last] = _stand_in(loc)
    elif isinstance(parent, dict | list):
        _take_out(rest, loc)


def _take_out(rest: Any, loc: list[str | int]) -> None:
    parent = rest
    for part in loc[:-1]:
        parent = parent[part]
    last = loc[-1] if loc else None
    if isinstance(parent, dict) and isinstance(last, str):
        parent.pop(last, None)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        # Entries keep their number, which later problems are reported by.
        parent[last] = "-"
    elif isinstance(parent, dict | list):
        _drop(rest, loc)


def _drop(rest: Any, loc: list[str | int]) -> None:
    """The place does not exist as written: give up the part of the definition it belongs to."""
    if loc and isinstance(rest, dict) and isinstance(loc[0], str):
        rest.pop(loc[0], None)


def _is_step_type(loc: list[str | int], index: int) -> bool:
    """Whether pydantic put this part in to say which kind of step it tried."""
    return index >= 2 and loc[index] in STEP_TYPES and isinstance(loc[index - 1], int) and loc[index - 2] == "steps"


def _reduce_step(rest: Any, loc: list[str | int]) -> None:
    """A step whose fields do not fit together: keep what other steps know of it."""
    steps: Any = rest
    for part in loc[:-1]:
        inside = isinstance(steps, dict) and part in steps
        inside = inside or (isinstance(part, int) and isinstance(steps, list) and part < len(steps))
        if not inside:
            return
        steps = steps[part]
    index = loc[-1]
    if isinstance(steps, list) and isinstance(index, int) and index < len(steps):
        step = steps[index] if isinstance(steps[index], dict) else {}
        kept = {name: step[name] for name in ("id", "name", "needs") if name in step}
        steps[index] = {"id": f"unnamed_{index}", **kept, "prompt": "-"}


def _stand_in(loc: list[str | int]) -> JsonValue:
    last = loc[-1]
    if last == "steps":
        return [{"id": "unnamed", "prompt": "-"}]
    if last == "id":
        return f"unnamed_{loc[-2]}"
    return STAND_INS.get(str(last), "-")
