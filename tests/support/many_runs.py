"""A long history, quickly: copies of one finished run, sealed as if each had been run."""

from typing import Any

from sqlalchemy import Table, insert, select

from core.execution.models import RunRow, StepRunRow
from core.platform.runtime import Runtime

STATUSES = ("completed", "completed", "completed", "failed", "cancelled")
SEALED = {"runs": ("request", "result"), "step_runs": ("content",)}
BATCH = 1000


def copy_run(runtime: Runtime, run_id: str, count: int) -> None:
    """Write so many copies of a run with its steps, without their events."""
    runs, steps = RunRow.__table__, StepRunRow.__table__
    assert isinstance(runs, Table) and isinstance(steps, Table)
    with runtime.database.read() as session:
        run = dict(session.execute(select(runs).where(runs.c.id == run_id)).mappings().one())
        done = [dict(row) for row in session.execute(select(steps).where(steps.c.run_id == run_id)).mappings()]
    _open(runtime, "runs", run)
    for row in done:
        _open(runtime, "step_runs", row)
    for start in range(0, count, BATCH):
        made, theirs = [], []
        for number in range(start, min(count, start + BATCH)):
            status = STATUSES[number % len(STATUSES)]
            copied = _sealed(runtime, "runs", run, idempotency_key=None, status=status)
            made.append(copied)
            theirs += [_sealed(runtime, "step_runs", row, run_id=copied["id"]) for row in done]
        with runtime.database.write() as session:
            session.execute(insert(runs), made)
            if theirs:
                session.execute(insert(steps), theirs)


def _open(runtime: Runtime, table: str, row: dict[str, Any]) -> None:
    for column in SEALED[table]:
        if row[column] is not None:
            row[column] = runtime.vault.open(row["owner_id"], f"{table}.{column}:{row['id']}", row[column])


def _sealed(runtime: Runtime, table: str, row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    copied = {**row, **changes, "id": runtime.ids.new()}
    for column in SEALED[table]:
        if row[column] is not None:
            copied[column] = runtime.vault.seal(row["owner_id"], f"{table}.{column}:{copied['id']}", row[column])
    return copied
