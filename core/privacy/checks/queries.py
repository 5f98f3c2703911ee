"""Reading what checks found."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import func, select

from core.accounts.queries import is_set_up
from core.platform.runtime import Runtime
from core.privacy.checks.finding import Finding, Verdict
from core.privacy.checks.models import PromiseAlarmRow, PromiseCheckRow
from core.privacy.promises import PROMISES, Promise
from core.privacy.trial import NOBODY_YET

EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A promise with what was last found; None before the first look. `broken_since`: while an alarm stands."""

    promise: Promise
    finding: Finding | None
    checked_at: datetime | None
    broken_since: datetime | None = None


def latest_evidence(runtime: Runtime) -> tuple[Evidence, ...]:
    """Every promise with its newest finding."""
    each = select(PromiseCheckRow.promise, func.max(PromiseCheckRow.checked_at).label("at"))
    newest = each.group_by(PromiseCheckRow.promise).subquery()
    rows = select(PromiseCheckRow).join(
        newest, (PromiseCheckRow.promise == newest.c.promise) & (PromiseCheckRow.checked_at == newest.c.at)
    )
    with runtime.database.read() as session:
        found = {row.promise: row for row in session.scalars(rows.order_by(PromiseCheckRow.id))}
        alarms = {row.promise: row.since for row in session.scalars(select(PromiseAlarmRow))}
    return tuple(_evidence(promise, found.get(promise.id), alarms.get(promise.id)) for promise in PROMISES.values())


def checks_due(runtime: Runtime, now: datetime) -> bool:
    """Whether the promises were not looked at for a day, or rights could not be tried when nobody had an account."""
    newest = select(PromiseCheckRow.checked_at, PromiseCheckRow.says).order_by(PromiseCheckRow.checked_at.desc())
    with runtime.database.read() as session:
        row = session.execute(newest.where(PromiseCheckRow.promise == "P15").limit(1)).one_or_none()
        if row is None or row.checked_at <= now - EVERY:
            return True
        return row.says == NOBODY_YET and is_set_up(session)


def history_of(runtime: Runtime, promise: str, limit: int = 30) -> tuple[Evidence, ...]:
    """What was found of a promise, newest first."""
    mine = select(PromiseCheckRow).where(PromiseCheckRow.promise == promise)
    with runtime.database.read() as session:
        rows = session.scalars(mine.order_by(PromiseCheckRow.checked_at.desc(), PromiseCheckRow.id.desc()).limit(limit))
        return tuple(_evidence(PROMISES[promise], row, None) for row in rows)


def count_broken(runtime: Runtime) -> int:
    """How many promises were found broken and not kept again since."""
    with runtime.database.read() as session:
        return session.scalar(select(func.count()).select_from(PromiseAlarmRow)) or 0


def _evidence(promise: Promise, row: PromiseCheckRow | None, since: datetime | None) -> Evidence:
    if row is None:
        return Evidence(promise, None, None, since)
    finding = Finding(cast(Verdict, row.verdict), row.says, json.loads(row.figures))
    return Evidence(promise, finding, row.checked_at, since)
