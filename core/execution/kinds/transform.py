"""`transform`: reshapes values without a model."""

import asyncio

from core.execution.kinds.port import Live, Prepared, StepContext, StepResult
from core.execution.preparation import prepare_transform
from core.pipelines.kinds.transform import TransformStep
from core.pipelines.transforms import run_transform


def prepare(context: StepContext) -> Prepared:
    """A template is filled in at once; an expression may take its whole second, so it gets a thread."""
    step: TransformStep = context.step
    mark = prepare_transform(step, context.scope, context.hash_)
    if step.text_template is not None:
        return Prepared(result=_transformed(context), fingerprint=mark, quiet=True)

    async def execute(_live: Live) -> StepResult:
        return await asyncio.to_thread(_transformed, context)

    return Prepared(execute=execute, fingerprint=mark, quiet=True)


def _transformed(context: StepContext) -> StepResult:
    output = run_transform(context.step, context.scope)
    return StepResult(output, raw=output if isinstance(output, str) else None)
