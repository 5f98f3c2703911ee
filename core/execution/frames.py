"""Frames: lists of steps under way, each with what its steps can see."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from core.execution.changes import StepKey
from core.execution.flow import Flow
from core.pipelines.definition import Definition, Step
from core.pipelines.graph import feedback_ids, list_dependencies, owners, reachable
from core.platform.files.domain import FileView
from core.shared.types import JsonValue


class FramePlan:
    """What all frames over one list of steps share: who waits for whom, and what each step can see."""

    def __init__(self, definition: Definition, steps: tuple[Step, ...], *, together: bool = False) -> None:
        self.definition = definition
        self.steps = {step.id: step for step in steps}
        self.index = {step.id: place for place, step in enumerate(steps)}
        self.edges = list_dependencies(steps, definition.step_ids, barriers=not together)
        self.needs = list_dependencies(steps, definition.step_ids, barriers=False)
        self.feedback = feedback_ids(steps)
        owner = owners(steps)
        # Only what a step waits for is seen by it, so that an output never depends on who was quicker.
        before = {step.id: reachable(self.edges, step.id) for step in steps}
        self.visible = {
            step_id: frozenset(name for name, by in owner.items() if by in seen) for step_id, seen in before.items()
        }


def main_plan(definition: Definition) -> FramePlan:
    """The plan of a definition's own steps; remembered, since most runs are of a definition that ran before."""
    return _main_plan(_Same(definition))


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A definition that equals only itself: comparing two by their content costs more than what is remembered."""

    definition: Definition

    def __hash__(self) -> int:
        return id(self.definition)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.definition is other.definition


@lru_cache(maxsize=256)
def _main_plan(same: _Same) -> FramePlan:
    return FramePlan(same.definition, same.definition.steps)


class Frame:
    """One list of steps under way. `path` is its place in the journal, "" for the outermost."""

    def __init__(
        self,
        plan: FramePlan,
        base: Mapping[str, JsonValue],
        *,
        files: Mapping[str, FileView] | None = None,
        path: str = "",
        chosen: Collection[str] | None = None,
        reusable: Collection[str] = (),
        again: bool = False,
    ) -> None:
        self.plan = plan
        self.path = path
        self.base = base
        self.files = files or {}
        self.reusable = reusable
        self.again = again
        self.flow = Flow(tuple(plan.steps), plan.edges, chosen)
        self.outputs: dict[str, JsonValue] = {}
        self.failure: dict[str, JsonValue] | None = None
        self.parked = False

    def key(self, step_id: str) -> StepKey:
        """Where a step of this frame stands in the journal now."""
        return StepKey(self.path, step_id, self.flow.visit(step_id))

    def inner_path(self, key: StepKey, item: int | None) -> str:
        """The path of a frame inside a step, or of one of its items."""
        visit = f"@{key.visit}" if key.visit > 1 else ""
        return f"{self.path}{key.step_id}{visit}{'' if item is None else f'[{item}]'}/"

    def scope(self, step_id: str) -> dict[str, JsonValue]:
        """What a step of this frame can see."""
        outer = self.base["steps"]
        assert isinstance(outer, dict)
        steps: dict[str, JsonValue] = dict(outer)
        for name in self.plan.feedback:
            steps[name] = {"output": self.outputs.get(name)}
        for name in self.plan.visible[step_id]:
            if name in self.outputs:
                steps[name] = {"output": self.outputs[name]}
        return {**self.base, "steps": steps}

    def scope_after(self, step_id: str, output: JsonValue) -> dict[str, JsonValue]:
        """What the rules of a step can see once it has its output."""
        scope = self.scope(step_id)
        steps = scope["steps"]
        assert isinstance(steps, dict)
        return {**scope, "steps": {**steps, step_id: {"output": output}}}

    def before(self, step_id: str) -> JsonValue:
        """The output of the nearest step written before that made something; a condition only decides."""
        place = self.plan.index[step_id]
        names = [
            name for name, index in self.plan.index.items()
            if index < place and self.plan.steps[name].type != "condition"
        ]  # fmt: skip
        found = (self.outputs[name] for name in reversed(names) if self.outputs.get(name) is not None)
        return next(found, None)
