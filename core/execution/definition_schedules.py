"""The schedule that a pipeline's definition holds, as a row beside those made by hand.

Its id is its pipeline's, so there is one a pipeline at most, and it is told apart by that. It follows what is saved:
people change it in the definition. What the definition does not say stays as it was set: what becomes of missed times,
and the cap. So the row is kept, asleep and shown nowhere, while its pipeline has no schedule or is archived; one that
comes back must not have forgotten its cap.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.accounts.plans import PLANS
from core.accounts.postings import lock_person
from core.execution.caps import check_within, lock_caller_cap, set_cap
from core.execution.models import ScheduleRow
from core.pipelines.cron import next_times
from core.pipelines.definition import Schedule
from core.pipelines.following import NewestVersion
from core.platform.runtime import Runtime
from core.shared.types import JsonValue

PUT_AWAY = "PUT_AWAY"


class DefinitionSchedules:
    """Keeps those rows in step with the pipelines, in the transaction that changes these."""

    def saved(self, runtime: Runtime, session: Session, newest: NewestVersion) -> None:
        """Make, change or put away the schedule of a pipeline. Raises Forbidden KEY_CAP."""
        owner, pipeline_id = newest.owner, newest.pipeline_id
        wanted = newest.definition.schedule
        if wanted is None:
            self.archived(runtime, session, pipeline_id)
            return
        now = runtime.clock.now()
        row = session.get(ScheduleRow, pipeline_id, with_for_update=True)
        made = row is None
        if row is None:
            lock_person(session, owner.id)  # before the key, as everybody does who wants both
            row = ScheduleRow(
                id=pipeline_id, owner_id=owner.id, pipeline_id=pipeline_id, missed="skip", enabled=False, created_at=now
            )
            session.add(row)
        with session.no_autoflush:
            cap = lock_caller_cap(session, owner.id, newest.key_id)
        before = (row.enabled, row.cron_expression, row.timezone)
        _write(row, wanted, now, allowed=PLANS[owner.plan].automation)
        if made and cap is not None:
            set_cap(row, cap, newest.key_id, cap)
        elif row.enabled and before != (row.enabled, row.cron_expression, row.timezone):
            check_within(row, cap)
        content: dict[str, JsonValue] = {"name": newest.name, "input": {}}
        row.content = runtime.vault.seal_json(owner.id, f"schedules.content:{pipeline_id}", content)

    def restored(self, runtime: Runtime, session: Session, newest: NewestVersion) -> None:
        """Wake the schedules of a pipeline; those made by hand do so by themselves. Raises Forbidden KEY_CAP."""
        awake = select(ScheduleRow).where(ScheduleRow.pipeline_id == newest.pipeline_id, ScheduleRow.enabled)
        rows = session.scalars(awake.order_by(ScheduleRow.id).with_for_update()).all()
        cap = lock_caller_cap(session, newest.owner.id, newest.key_id)
        for row in rows:
            check_within(row, cap)
        self.saved(runtime, session, newest)

    def archived(self, runtime: Runtime, session: Session, pipeline_id: str) -> None:
        """Put the schedule of a pipeline away."""
        asleep = {"enabled": False, "next_at": None, "paused_code": PUT_AWAY, "updated_at": runtime.clock.now()}
        session.execute(update(ScheduleRow).where(ScheduleRow.id == pipeline_id).values(asleep))


def _write(row: ScheduleRow, wanted: Schedule, now: datetime, *, allowed: bool) -> None:
    use = wanted.enabled and allowed
    same = (row.cron_expression, row.timezone) == (wanted.cron.strip(), wanted.timezone)
    if not (use and row.enabled and same):
        # Otherwise a version saved in the second a time comes would make it wait for the next one.
        row.next_at = next_times(wanted.cron.strip(), wanted.timezone, now, 1)[0] if use else None
    row.cron_expression, row.timezone = wanted.cron.strip(), wanted.timezone
    row.enabled = use
    row.paused_code = "PLAN_LIMIT" if wanted.enabled and not allowed else None
    row.updated_at = now
