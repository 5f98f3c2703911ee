"""The runs that no person started: how many go on, and stopping them."""

from sqlalchemy import ColumnElement, func, select

from core.execution.commands import cancel_run
from core.execution.domain import ACTIVE
from core.execution.models import RunRow
from core.platform.runtime import Runtime


def count_automatic_runs(runtime: Runtime, owner_id: str) -> int:
    """How many runs that a person's keys and schedules started go on."""
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).where(*_under_way(owner_id))) or 0


def stop_automatic_runs(runtime: Runtime, owner_id: str) -> int:
    """Cancel them; returns how many. Calls in flight are cut, what was used is charged."""
    with runtime.database.read() as session:
        found = session.scalars(select(RunRow.id).where(*_under_way(owner_id))).all()
    for run_id in found:
        cancel_run(runtime, owner_id, run_id)
    return len(found)


def _under_way(owner_id: str) -> tuple[ColumnElement[bool], ...]:
    return RunRow.owner_id == owner_id, RunRow.status.in_(ACTIVE), RunRow.started_by.is_not(None)
