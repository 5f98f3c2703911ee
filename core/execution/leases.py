"""Leases: who may advance a run, for how long, and which runs wait for somebody.

A lease is taken by `journal.claim`; here it is lengthened, given back, and found when its holder died.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from core.execution.domain import ADVANCING
from core.execution.models import RunRow
from core.platform.runtime import Runtime

LEASE = timedelta(seconds=15)


def renew(runtime: Runtime, worker: str, run_ids: Sequence[str]) -> None:
    """Lengthen the leases of runs that this process advances."""
    until = runtime.clock.now() + LEASE
    with runtime.database.write() as session:
        mine = (RunRow.id.in_(run_ids), RunRow.lease_owner == worker)
        session.execute(update(RunRow).where(*mine).values(lease_until=until))


def cancelled_among(runtime: Runtime, run_ids: Sequence[str]) -> list[str]:
    """Those of the runs that somebody asked to cancel."""
    with runtime.database.read() as session:
        asked = (RunRow.id.in_(run_ids), RunRow.cancel_requested_at.is_not(None))
        return list(session.scalars(select(RunRow.id).where(*asked)))


def unclaimed_runs(runtime: Runtime, *, limit: int = 500) -> list[str]:
    """Runs that should be going on and whose lease is free, oldest first."""
    now = runtime.clock.now()
    free = or_(RunRow.lease_until.is_(None), RunRow.lease_until < now)
    due = or_(RunRow.wake_at.is_(None), RunRow.wake_at <= now, RunRow.cancel_requested_at.is_not(None))
    query = select(RunRow.id).where(RunRow.status.in_(ADVANCING), free, due).order_by(RunRow.id).limit(limit)
    with runtime.database.read() as session:
        return list(session.scalars(query))


def drop_leases_of_dead_servers(runtime: Runtime) -> None:
    """Free the leases of earlier serving processes. Only for the holder of the data lock."""
    with runtime.database.write() as session:
        dead = (RunRow.lease_owner.startswith("serve:"), RunRow.status.in_(ADVANCING))
        session.execute(update(RunRow).where(*dead).values(lease_owner=None, lease_until=None))


def hand_over(runtime: Runtime, worker: str) -> None:
    """Free this process's leases at a graceful stop."""
    with runtime.database.write() as session:
        mine = (RunRow.lease_owner == worker, RunRow.status.in_(ADVANCING))
        session.execute(update(RunRow).where(*mine).values(lease_owner=None, lease_until=None))


def wake_time(runtime: Runtime, run_id: str) -> datetime | None:
    """When a run that let go of its process wants to go on; None when it does not by itself."""
    with runtime.database.read() as session:
        row = session.execute(select(RunRow.status, RunRow.wake_at).where(RunRow.id == run_id)).one()
    if row.status not in ADVANCING:
        return None
    return row.wake_at or runtime.clock.now()
