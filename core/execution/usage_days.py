"""How a person's runs went over some days: how many each day and how they ended, and which steps took longest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import cast

from sqlalchemy import ColumnElement, Table, func, select

from core.execution.domain import FINAL, milliseconds
from core.execution.models import RunRow, StepRunRow
from core.platform.runtime import Runtime

LOOKED_AT = 300
"""Newest runs of the time that steps are taken from: enough for a middle, and the same work however many there are."""
PEOPLE = ("human_review",)
"""Steps that take as long as a person does."""

_runs = cast(Table, RunRow.__table__)
_steps = cast(Table, StepRunRow.__table__)


@dataclass(frozen=True, slots=True)
class RunDay:
    """The runs that were asked for on a day (UTC) and are over."""

    day: date
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        """How many came to an end."""
        return self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class StepPace:
    """How long a step takes: the middle and the longest of the times it was carried out, and the run of the longest."""

    pipeline_id: str | None
    step_id: str
    type: str
    model: str | None
    times: int
    median_ms: int
    longest_ms: int
    longest_run_id: str


def success_rate(days: Sequence[RunDay]) -> float | None:
    """Which part of the runs that ended by themselves completed; None where none did. Cancelled ones do not count."""
    completed, failed = sum(day.completed for day in days), sum(day.failed for day in days)
    return completed / (completed + failed) if completed + failed else None


def runs_by_day(runtime: Runtime, owner_id: str, first: date, last: date) -> tuple[RunDay, ...]:
    """A person's runs of each day from `first` to `last`, days without any included."""
    at = _runs.c.created_at
    day = func.date(at) if runtime.database.is_sqlite else func.date(func.timezone("UTC", at))
    counted = (
        select(day, _runs.c.status, func.count())
        .where(_runs.c.owner_id == owner_id, *_within(first, last), _runs.c.status.in_(FINAL))
        .group_by(day, _runs.c.status)
    )
    with runtime.database.connect() as connection:
        rows = connection.execute(counted).tuples().all()
    found: dict[date, dict[str, int]] = {}
    for when, status, number in rows:
        found.setdefault(when if isinstance(when, date) else date.fromisoformat(when), {})[status] = number
    days = (first + timedelta(days=place) for place in range((last - first).days + 1))
    return tuple(RunDay(each, **found.get(each, {})) for each in days)


def slowest_steps(runtime: Runtime, owner_id: str, first: date, last: date, *, limit: int = 8) -> tuple[StepPace, ...]:
    """A person's steps that take longest at the middle, of the newest runs of the time; without waits for people."""
    newest = (
        select(_runs.c.id)
        .where(_runs.c.owner_id == owner_id, *_within(first, last))
        .order_by(_runs.c.created_at.desc())
        .limit(LOOKED_AT)
    )
    columns = _steps.c
    done = select(
        columns.run_id, columns.pipeline_id, columns.step_id, columns.type, columns.model, columns.started_at,
        columns.completed_at,
    ).where(
        columns.run_id.in_(newest), columns.owner_id == owner_id, columns.status == "completed",
        columns.type.not_in(PEOPLE),
    )  # fmt: skip
    with runtime.database.connect() as connection:
        rows = connection.execute(done).all()
    taken: dict[tuple[str | None, str], list[tuple[int, str]]] = {}
    newest_of: dict[tuple[str | None, str], tuple[datetime, str, str | None]] = {}
    for row in rows:
        key, took = (row.pipeline_id, row.step_id), milliseconds(row.started_at, row.completed_at)
        if took is not None:
            taken.setdefault(key, []).append((took, row.run_id))
            seen = (row.started_at, row.type, row.model)
            newest_of[key] = max(newest_of.get(key, seen), seen, key=lambda each: each[0])
    paces = [
        StepPace(
            *key,
            newest_of[key][1],
            newest_of[key][2],
            len(times),
            round(median(took for took, _ in times)),
            *max(times),
        )
        for key, times in taken.items()
    ]
    return tuple(sorted(paces, key=lambda each: (-each.median_ms, each.step_id))[:limit])


def _within(first: date, last: date) -> tuple[ColumnElement[bool], ...]:
    begin = datetime.combine(first, time.min, UTC)
    return _runs.c.created_at >= begin, _runs.c.created_at < datetime.combine(last + timedelta(days=1), time.min, UTC)
