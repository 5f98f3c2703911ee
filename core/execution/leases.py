"""Leases: who may advance a run, for how long, and which runs wait for somebody.

A lease is taken by `claims.claim`; here it is lengthened, given back, and found when its holder died.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select, update

from core.accounts.standing import owner_processable
from core.execution.domain import ADVANCING
from core.execution.models import RunRow
from core.platform.runtime import Runtime

LEASE = timedelta(seconds=15)
LOST_AFTER = timedelta(minutes=1)


def renew(runtime: Runtime, worker: str, run_ids: Sequence[str]) -> None:
    """Lengthen the leases of runs that this process advances."""
    until = runtime.clock.now() + LEASE
    with runtime.database.write() as session:
        mine = (RunRow.id.in_(run_ids), RunRow.lease_owner == worker)
        session.execute(update(RunRow).where(*mine).values(lease_until=until))


def cancelled_among(runtime: Runtime, run_ids: Sequence[str]) -> list[str]:
    """Those of the runs that somebody asked to cancel, or whose owner's data may not be processed any more."""
    stop = or_(RunRow.cancel_requested_at.is_not(None), ~owner_processable(RunRow.owner_id))
    with runtime.database.read() as session:
        return list(session.scalars(select(RunRow.id).where(RunRow.id.in_(run_ids), stop)))


def unclaimed_runs(runtime: Runtime, *, limit: int = 500) -> list[str]:
    """Runs that should be going on and whose lease is free, oldest first."""
    now = runtime.clock.now()
    free = or_(RunRow.lease_until.is_(None), RunRow.lease_until < now)
    due = or_(RunRow.wake_at.is_(None), RunRow.wake_at <= now, RunRow.cancel_requested_at.is_not(None))
    wanted = (RunRow.status.in_(ADVANCING), free, due, owner_processable(RunRow.owner_id))
    query = select(RunRow.id).where(*wanted).order_by(RunRow.id).limit(limit)
    with runtime.database.read() as session:
        return list(session.scalars(query))


def drop_leases_of_dead_servers(runtime: Runtime) -> None:
    """Free the leases of earlier serving processes. Only for the holder of the data lock."""
    with runtime.database.write() as session:
        dead = (RunRow.lease_owner.startswith("serve:"), RunRow.status.in_(ADVANCING))
        session.execute(update(RunRow).where(*dead).values(lease_owner=None, lease_until=None))


def hand_over(runtime: Runtime, worker: str) -> None:
    """Free this process's leases at a graceful stop: others may go on at once, and what it still writes is refused."""
    mine = (RunRow.lease_owner == worker, RunRow.status.in_(ADVANCING))
    free = {"lease_owner": None, "lease_until": None, "fence": RunRow.fence + 1}
    with runtime.database.write() as session:
        freed = update(RunRow).where(*mine).values(free).returning(RunRow.id)
        for run_id in session.scalars(freed).all():
            runtime.dispatcher.enqueue(session, run_id)


def may_begin(runtime: Runtime, run_id: str, per_person: int) -> bool:
    """Whether a run's owner has fewer runs under way than one person may have."""
    owner = select(RunRow.owner_id).where(RunRow.id == run_id).scalar_subquery()
    under_way = (RunRow.owner_id == owner, RunRow.status == "running", RunRow.lease_until > runtime.clock.now())
    with runtime.database.read() as session:
        return (session.scalar(select(func.count()).where(*under_way, RunRow.id != run_id)) or 0) < per_person


def abandoned_runs(runtime: Runtime, limit: int) -> list[str]:
    """Runs whose worker died: their lease is over. And runs whose job was lost, which nobody took up for a minute."""
    now = runtime.clock.now()
    dead = RunRow.lease_until < now
    late = now - LOST_AFTER
    lost = and_(
        RunRow.lease_until.is_(None),
        or_(and_(RunRow.wake_at.is_(None), RunRow.created_at < late, RunRow.last_seq == 0), RunRow.wake_at < late),
    )
    wanted = (RunRow.status.in_(ADVANCING), or_(dead, lost), owner_processable(RunRow.owner_id))
    query = select(RunRow.id).where(*wanted).order_by(RunRow.id).limit(limit)
    with runtime.database.read() as session:
        return list(session.scalars(query))


def wake_time(runtime: Runtime, run_id: str) -> datetime | None:
    """When a run that let go of its process wants to go on; None when it does not by itself."""
    with runtime.database.read() as session:
        row = session.execute(select(RunRow.status, RunRow.wake_at).where(RunRow.id == run_id)).one()
    if row.status not in ADVANCING:
        return None
    return row.wake_at or runtime.clock.now()
