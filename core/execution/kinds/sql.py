"""`sql`: one query over the outputs of steps and over files, in a locked process."""

from dataclasses import replace

from core.execution.kinds.port import Live, Prepared, StepContext, StepResult
from core.execution.preparation import fingerprint
from core.execution.sandbox.calls import run_sql
from core.execution.sandbox.limits import SQL_LIMITS
from core.pipelines.kinds.sql import SqlStep
from core.shared.types import JsonValue


def prepare(context: StepContext) -> Prepared:
    """The query with its tables: the steps it names or needs, and inside a `map` the item."""
    step: SqlStep = context.step
    tables = tables_of(context)

    async def execute(_live: Live) -> StepResult:
        rows = await run_sql(step.query, tables, {}, replace(SQL_LIMITS, seconds=float(step.timeout_seconds)))
        return StepResult([*rows])

    mark = fingerprint(context.hash_, ["sql", step.query, step.output_format, tables])
    return Prepared(execute=execute, fingerprint=mark, limit=step.timeout_seconds + 1.0)


def tables_of(context: StepContext) -> dict[str, JsonValue]:
    """What a query can read, by name."""
    steps = context.scope["steps"]
    assert isinstance(steps, dict)
    return {name: found["output"] for name, found in steps.items() if isinstance(found, dict)}
