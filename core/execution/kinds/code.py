"""`code`: Python or JavaScript in a sandbox of its own."""

from core.execution.kinds.port import Live, Prepared, StepContext, StepResult
from core.execution.preparation import fingerprint
from core.execution.sandbox.calls import run_javascript, run_python
from core.execution.sandbox.limits import Limits
from core.pipelines.kinds.code import CodeStep


def prepare(context: StepContext) -> Prepared:
    """The code with what it sees: the steps it names or needs, and nothing of the machine."""
    step: CodeStep = context.step
    run = run_python if step.language == "python" else run_javascript

    async def execute(_live: Live) -> StepResult:
        return StepResult(await run(step.source, context.scope, Limits(seconds=float(step.timeout_seconds))))

    mark = fingerprint(context.hash_, ["code", step.language, step.source, step.output_format, context.scope])
    return Prepared(execute=execute, fingerprint=mark, limit=step.timeout_seconds + 1.0)
