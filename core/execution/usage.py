"""What a person used."""

from dataclasses import dataclass

from sqlalchemy import func, select

from core.execution.models import RunRow, StepRunRow
from core.platform.runtime import Runtime


@dataclass(frozen=True, slots=True)
class RunUsage:
    """Runs since midnight UTC, and what every kept run cost, in millionths of a US cent after the markup."""

    runs_today: int
    cost_micro_cents: int


def run_usage(runtime: Runtime, owner_id: str) -> RunUsage:
    """Count a person's runs of today and sum their costs."""
    midnight = runtime.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    today = select(func.count()).where(RunRow.owner_id == owner_id, RunRow.created_at >= midnight)
    cost = select(func.sum(StepRunRow.cost_micro_cents)).where(StepRunRow.owner_id == owner_id)
    with runtime.database.read() as session:
        return RunUsage(session.scalar(today) or 0, int(session.scalar(cost) or 0))
