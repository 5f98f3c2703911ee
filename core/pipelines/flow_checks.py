"""Where control may go in a list of steps: whether its jumps have a target, end, and leave no step aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.pipelines.definition import Step
from core.pipelines.kinds.base import END
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.source import Path
from core.pipelines.structure import suggestion


def jump_faults(steps: Sequence[Step], *, together: bool) -> Iterator[tuple[Path, str, str]]:
    """What is wrong with the jumps of one list: place, code and message."""
    place = {step.id: index for index, step in enumerate(steps)}
    for index, step in enumerate(steps):
        for jump in step.jumps():
            where: Path = (index, *jump.path)
            if together:
                message = "Steps of a `parallel` run together, so none can jump: move the condition outside."
                yield where, "JUMP_NOT_ALLOWED", message
                continue
            if jump.target != END and jump.target not in place:
                hint = suggestion(jump.target, (*place, END)) or " Write the id of a step of the same list, or end."
                yield where, "UNKNOWN_STEP", f"There is no step `{jump.target}` to go to here.{hint}"
                continue
            backwards = jump.target != END and place[jump.target] <= index
            if backwards and not jump.can_loop:
                message = f"`{jump.target}` stands before: only `on_condition` with `max_loops` may go back."
                yield where, "LOOP_NOT_BOUNDED", message
            elif backwards and jump.max_loops is None:
                message = f"`{jump.target}` stands before: say with `max_loops` how often this may repeat."
                yield where, "LOOP_NOT_BOUNDED", message
            elif not backwards and jump.max_loops is not None:
                message = "`max_loops` does nothing here, because this jump goes forwards: remove it."
                yield (*where[:-1], "max_loops"), "NO_EFFECT", message


def unreachable(steps: Sequence[Step]) -> Iterator[tuple[int, str]]:
    """Steps that control can never come to: place and message."""
    place = {step.id: index for index, step in enumerate(steps)}
    seen: set[int] = set()
    queue = [0]
    while queue:
        index = queue.pop()
        if index in seen or index >= len(steps):
            continue
        seen.add(index)
        step = steps[index]
        queue += [place[jump.target] for jump in step.jumps() if jump.target in place]
        if not (isinstance(step, ConditionStep) and step.then is not None and step.else_ is not None):
            queue.append(index + 1)
    for index, step in enumerate(steps):
        if index not in seen:
            yield index, f"`{step.id}` can never run: every way jumps over it. Change a jump, or remove the step."
