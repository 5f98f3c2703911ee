"""`sql`: one query over the outputs of steps and over files, in a locked process."""

import asyncio
from dataclasses import replace
from typing import cast

from core.execution.attachments import marks_of
from core.execution.kinds.port import Live, Prepared, StepContext, StepResult
from core.execution.preparation import fingerprint
from core.execution.sandbox.calls import InputFile, run_sql
from core.execution.sandbox.limits import SQL_LIMITS
from core.execution.sandbox.wire import FileKind
from core.pipelines.kinds.sql import SqlStep
from core.platform.files.domain import TABULAR, FileView
from core.platform.files.queries import read_file
from core.shared.types import JsonValue


def prepare(context: StepContext) -> Prepared:
    """The query with its tables: the steps it names or needs, and inside a `map` the item."""
    step: SqlStep = context.step
    tables = tables_of(context)
    used = {name: file for name, file in context.files.items() if file.kind in TABULAR and name in step.query}

    async def execute(_live: Live) -> StepResult:
        files = {name: await asyncio.to_thread(_input_file, context, file) for name, file in used.items()}
        rows = await run_sql(step.query, tables, files, replace(SQL_LIMITS, seconds=float(step.timeout_seconds)))
        return StepResult([*rows])

    mark = fingerprint(context.hash_, ["sql", step.query, step.output_format, tables, marks_of(used)])
    return Prepared(execute=execute, fingerprint=mark, limit=step.timeout_seconds + 1.0)


def tables_of(context: StepContext) -> dict[str, JsonValue]:
    """What a query can read, by name."""
    steps = context.scope["steps"]
    assert isinstance(steps, dict)
    return {name: found["output"] for name, found in steps.items() if isinstance(found, dict)}


def _input_file(context: StepContext, file: FileView) -> InputFile:
    content = b"".join(read_file(context.runtime, file.owner_id, file.id))
    return InputFile(content, cast(FileKind, file.kind))
