"""Ending what goes on for a person who leaves: asked of whoever has it in hand, then taken out of their hands.

What a process may write to a run is fenced by the run's row. So once a run is ended here, under a new fencing token, a
process that still works at it finds nothing to write to, and stops. What it used until then it has settled itself, if
it was there to hear that the run was cancelled.
"""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.credits import postings
from core.execution.changes import StepKey, cause_of
from core.execution.domain import ACTIVE, ADVANCING
from core.execution.journal import TAKE_SPENT
from core.execution.models import DeliveryRow, ReviewRow, RunRow, ScheduleRow, StepRunRow
from core.platform.runtime import Runtime

AT_ONCE = 200


def cancel_all_runs(runtime: Runtime, owner_id: str) -> int:
    """Ask every run of a person's to stop; calls in flight are cut within a second. Answers how many."""
    going_on = (RunRow.owner_id == owner_id, RunRow.status.in_(ACTIVE))
    asked = update(RunRow).where(*going_on, RunRow.cancel_requested_at.is_(None))
    with runtime.database.write() as session:
        session.execute(asked.values(cancel_requested_at=runtime.clock.now()))
    with runtime.database.read() as session:
        run_ids = session.scalars(select(RunRow.id).where(*going_on)).all()
    for run_id in run_ids:
        runtime.dispatcher.cancel(run_id)
    return len(run_ids)


def rest_schedules(runtime: Runtime, owner_id: str) -> None:
    """Let a person's schedules start nothing any more."""
    with runtime.database.write() as session:
        mine = (ScheduleRow.owner_id == owner_id, ScheduleRow.next_at.is_not(None))
        session.execute(update(ScheduleRow).where(*mine).values(enabled=False, next_at=None))


def end_runs(runtime: Runtime, owner_id: str, *, held_too: bool) -> int:
    """End a person's runs that no process has in hand, with `held_too` all of them; answers how many still go on.

    Holds of calls that nobody will settle go back.
    """
    going_on = [RunRow.owner_id == owner_id, RunRow.status.in_(ACTIVE)]
    if not held_too:
        lease = RunRow.lease_until
        going_on.append(lease.is_(None) | (lease < runtime.clock.now()))
    while True:
        with runtime.database.read() as session:
            run_ids = session.scalars(select(RunRow.id).where(*going_on).limit(AT_ONCE)).all()
        for run_id in run_ids:
            with runtime.database.write() as session:
                _end(runtime, session, run_id)
        if len(run_ids) < AT_ONCE:
            break
    with runtime.database.read() as session:
        mine = (RunRow.owner_id == owner_id, RunRow.status.in_(ACTIVE))
        return session.scalar(select(func.count()).select_from(RunRow).where(*mine)) or 0


def stop_deliveries(runtime: Runtime, owner_id: str) -> None:
    """Send nothing more of what a person's runs owe; who is at it records nothing."""
    runs = select(RunRow.id).where(RunRow.owner_id == owner_id)
    mine = (DeliveryRow.status == "pending", DeliveryRow.run_id.in_(runs))
    stopped = {"status": "failed", "fence": DeliveryRow.fence + 1, "error_code": "ACCOUNT_CLOSING"}
    with runtime.database.write() as session:
        session.execute(update(DeliveryRow).where(*mine).values(**stopped, next_attempt_at=None))


def wake_runs(runtime: Runtime, owner_id: str) -> int:
    """Have the runs of a person taken up whose data may be processed again; answers how many."""
    waiting = (RunRow.owner_id == owner_id, RunRow.status.in_(ADVANCING), RunRow.lease_owner.is_(None))
    with runtime.database.write() as session:
        run_ids = session.scalars(select(RunRow.id).where(*waiting)).all()
        for run_id in run_ids:
            runtime.dispatcher.enqueue(session, run_id)
    for run_id in run_ids:
        runtime.dispatcher.submit(run_id)
    return len(run_ids)


def _end(runtime: Runtime, session: Session, run_id: str) -> None:
    now = runtime.clock.now()
    # The run's row first, as every write of the journal does: it waits for one under way, and stops the next.
    run = session.scalar(select(RunRow).where(RunRow.id == run_id, RunRow.status.in_(ACTIVE)).with_for_update())
    if run is None:
        return
    run.fence += 1
    run.status, run.error_code, run.completed_at = "cancelled", "ACCOUNT_CLOSING", now
    run.lease_owner = run.lease_until = run.wake_at = None
    session.flush()
    open_steps = (StepRunRow.run_id == run_id, StepRunRow.status.in_(("running", "waiting")))
    for step in session.scalars(select(StepRunRow).where(*open_steps).order_by(StepRunRow.id)).all():
        step.status, step.completed_at = "failed", now
        cause = cause_of(run_id, StepKey(step.frame, step.step_id, step.visit), step.attempt)
        postings.release(runtime, session, run.owner_id, held=step.held_micros, cause=cause)
    asked = (ReviewRow.run_id == run_id, ReviewRow.status == "open")
    session.execute(update(ReviewRow).where(*asked).values(status="closed", link_hash=None))
    if run.started_by is not None:
        session.connection().execute(TAKE_SPENT, {"b_run": run_id})
