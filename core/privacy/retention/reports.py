"""What each sweep did, in counts: kept for the people who run the installation, and as evidence."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core.platform.runtime import Runtime
from core.privacy.retention.models import RetentionSweepRow
from core.privacy.retention.oldest import oldest_logs
from core.shared.clock import iso_z


@dataclass(frozen=True, slots=True)
class SweepReport:
    """A sweep. `counts`: rows by table and plan. `oldest`: by plan, the oldest run that was left."""

    id: str
    started_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, Mapping[str, int]]
    oldest: Mapping[str, str]

    @property
    def total(self) -> int:
        """How many rows went."""
        return sum(number for plans in self.counts.values() for number in plans.values())


def begin_report(runtime: Runtime) -> str:
    """Note that a sweep began; the id of its report."""
    report_id = runtime.ids.new()
    row = RetentionSweepRow(id=report_id, started_at=runtime.clock.now(), counts="{}", oldest="{}")
    with runtime.database.write() as session:
        session.add(row)
    return report_id


def finish_report(runtime: Runtime, report_id: str, found: Mapping[tuple[str, str], int]) -> None:
    """Keep what a sweep deleted, and what it left."""
    counts: dict[str, dict[str, int]] = {}
    for (table, plan), number in sorted(found.items()):
        if number:
            counts.setdefault(table, {})[plan] = number
    oldest = {each.plan: iso_z(each.oldest) for each in oldest_logs(runtime) if each.oldest is not None}
    with runtime.database.write() as session:
        row = session.get_one(RetentionSweepRow, report_id)
        row.finished_at, row.counts, row.oldest = runtime.clock.now(), json.dumps(counts), json.dumps(oldest)


def list_reports(runtime: Runtime, limit: int = 30) -> tuple[SweepReport, ...]:
    """The newest sweeps, newest first."""
    newest = select(RetentionSweepRow).order_by(RetentionSweepRow.started_at.desc()).limit(limit)
    with runtime.database.read() as session:
        return tuple(_view(row) for row in session.scalars(newest))


def _view(row: RetentionSweepRow) -> SweepReport:
    return SweepReport(row.id, row.started_at, row.finished_at, json.loads(row.counts), json.loads(row.oldest))
