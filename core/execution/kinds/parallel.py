"""`parallel`: its steps run together. Output: `{id: output}`."""

from collections.abc import Mapping

from core.execution.kinds.port import Item, Nested, Prepared, StepContext
from core.pipelines.kinds.parallel import ParallelStep
from core.shared.types import JsonValue


def prepare(context: StepContext) -> Prepared:
    """One list of steps without an order of its own."""
    step: ParallelStep = context.step
    only = Item(context.definition, step.steps, context.scope, context.files)

    def result(_item: Item, outputs: Mapping[str, JsonValue]) -> JsonValue:
        return {inner.id: outputs.get(inner.id) for inner in step.steps}

    nested = Nested(1, 1, lambda _: only, result, lambda outputs: outputs[0], together=True)
    return Prepared(nested=nested)
