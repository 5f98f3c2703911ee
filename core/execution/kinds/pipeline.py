"""`pipeline`: another pipeline as a step. Its definition was kept with the run when the run was made."""

from collections.abc import Mapping

from core.execution.attachments import read_inputs
from core.execution.kinds.port import Item, Nested, Prepared, StepContext
from core.pipelines.inputs import check_input
from core.pipelines.kinds.pipeline import PipelineStep
from core.pipelines.outputs import run_output
from core.pipelines.templates import resolve_value
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue


def name_of(step: PipelineStep) -> str:
    """Under which name a called pipeline is kept with a run."""
    return f"{step.pipeline}@{step.version or 'newest'}"


def prepare(context: StepContext) -> Prepared:
    """Its steps, seeing the input it is given and nothing else. Raises InvalidInput for an input that does not fit."""
    step: PipelineStep = context.step
    called = context.claim.pipelines[name_of(step)]
    given = resolve_value(step.input if step.input is not None else {}, context.scope)
    if not isinstance(given, dict):
        raise InvalidInput("INVALID_INPUT", f"`input` of {step.id} must be an object of named inputs.")
    files, values = read_inputs(context.runtime, context.claim.owner_id, called, check_input(called, given))
    base: dict[str, JsonValue] = {
        "input": values,
        "vars": dict(called.variables),
        "steps": {},
    }
    only = Item(called, called.steps, base, files)

    def result(item: Item, outputs: Mapping[str, JsonValue]) -> JsonValue:
        steps: dict[str, JsonValue] = {step_id: {"output": output} for step_id, output in outputs.items()}
        return run_output(called, {**item.base, "steps": steps}, outputs)

    limit = called.timeout_seconds
    return Prepared(nested=Nested(1, 1, lambda _: only, result, lambda outputs: outputs[0], limit=limit))
