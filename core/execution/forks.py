"""What running again from an earlier run would reuse, worked out before it is done. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.execution.domain import WITH_OUTPUT, RunView
from core.pipelines.definition import Definition, LlmStep, Step, TransformStep, read_definition
from core.pipelines.graph import dependencies
from core.pipelines.kinds.condition import ConditionStep
from core.pipelines.references import find_references, value_template
from core.shared.types import JsonValue


@dataclass(frozen=True, slots=True)
class ForkPreview:
    """The outermost steps by what becomes of them. `saved_micros`: what the reused outputs had cost."""

    reused: tuple[str, ...]
    pinned: tuple[str, ...]
    executed: tuple[str, ...]
    saved_micros: int


def preview_fork(
    run: RunView,
    definition: Definition,
    from_step: str | None,
    *,
    input_data: Mapping[str, JsonValue] | None = None,
    pinned: Collection[str] = (),
) -> ForkPreview:
    """What `fork_run` would reuse: what stands before `from_step`, is written as it was, and reads what it read."""
    before = read_definition(run.definition)
    given = run.input_data if input_data is None else input_data
    changed = {name for name in {*run.input_data, *given} if run.input_data.get(name) != given.get(name)}
    done = {step.step_id: step for step in run.steps}
    needs = dependencies(definition, barriers=False)
    ids = definition.step_ids
    first = ids.index(from_step) if from_step in ids else len(ids)
    differs: set[str] = set()
    reused, executed = [], []
    for place, step in enumerate(definition.steps):
        if step.id in pinned:
            differs.add(step.id)
            continue
        same = before.step(step.id) == step and not needs[step.id] & differs and not _reads(step, changed)
        stored = step.id in done and done[step.id].status in WITH_OUTPUT
        if not same or place >= first:
            differs.add(step.id)
        if same and place < first and stored and _may_stand_in(step):
            reused.append(step.id)
        else:
            executed.append(step.id)
    saved = sum(done[step_id].credit_micros or done[step_id].saved_micros for step_id in reused)
    return ForkPreview(tuple(reused), tuple(name for name in ids if name in pinned), tuple(executed), saved)


def _may_stand_in(step: Step) -> bool:
    """What acts outside runs again, and what costs nothing is worked out again."""
    agent = isinstance(step, LlmStep) and step.agent is not None
    return not step.is_barrier and not agent and not isinstance(step, TransformStep | ConditionStep)


def _reads(step: Step, changed: Collection[str]) -> bool:
    """Whether a step, or one inside it, reads one of these inputs."""
    if not changed:
        return False
    for written in step.written():
        if written.reading in ("cel", "code", "sql"):
            if any(name in written.text for name in changed) or "input" in written.text.split():
                return True
            continue
        template = value_template(written.text) if written.reading == "reference" else written.text
        for reference in find_references(template or ""):
            if reference.root == "input" and (not reference.path or reference.path[0] in changed):
                return True
    return any(_reads(inner, changed) for inner in step.inner)
