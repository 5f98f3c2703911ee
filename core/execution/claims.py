"""Claims: taking runs into the hands of this process, with a new fencing token and all that the journal knows.

A process that claimed a run is the only one that may write to it, until another claims it: see `journal`.
"""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from core.accounts.standing import owner_processable
from core.execution.changes import Attempt, Claim, StepKey
from core.execution.domain import ADVANCING
from core.execution.journal import RUNS, open_content, open_selection
from core.execution.journal_rows import Rows
from core.execution.leases import LEASE
from core.execution.models import StepRunRow
from core.pipelines.definition import read_definition
from core.platform.database import UtcDateTime
from core.platform.runtime import Runtime
from core.shared.types import JsonValue

CLAIM = (
    update(RUNS)
    .where(
        RUNS.c.id == bindparam("b_run"),
        RUNS.c.status.in_(ADVANCING),
        or_(
            RUNS.c.lease_owner.is_(None),
            RUNS.c.lease_until < bindparam("b_now", type_=UtcDateTime()),
            RUNS.c.lease_owner == bindparam("worker"),
        ),
        or_(
            RUNS.c.wake_at.is_(None),
            RUNS.c.wake_at <= bindparam("b_now", type_=UtcDateTime()),
            RUNS.c.cancel_requested_at.is_not(None),
        ),
        owner_processable(RUNS.c.owner_id, lock=True),
    )
    .values(
        fence=RUNS.c.fence + 1,
        last_seq=RUNS.c.last_seq + 1,
        status="running",
        lease_owner=bindparam("worker"),
        lease_until=bindparam("until"),
        wake_at=None,
        working_since=func.coalesce(RUNS.c.working_since, bindparam("b_now", type_=UtcDateTime())),
        started_at=func.coalesce(RUNS.c.started_at, bindparam("b_now", type_=UtcDateTime())),
    )
    .returning(*RUNS.c)
)

NOTES = ("goto", "next", "try", "items", "placeholders")


def claim(runtime: Runtime, run_id: str, worker: str) -> Claim | None:
    """Take a run whose lease is free. None when it has ended or somebody else holds it."""
    (claimed,) = claim_group(runtime, worker, [run_id])
    if isinstance(claimed, Exception):
        raise claimed
    return claimed


def claim_group(runtime: Runtime, worker: str, run_ids: Sequence[str]) -> Sequence[Claim | Exception | None]:
    """Take several runs in one transaction. What failed stands in its place."""
    try:
        runtime.prices.current(runtime)  # so that it is known inside of the transaction
        with runtime.database.write() as session:
            rows = Rows(session)
            found = {run_id: _claim(runtime, session, rows, run_id, worker) for run_id in sorted(run_ids)}
            rows.flush()
    except Exception as error:
        if len(run_ids) == 1:
            return [error]
        return [claim_group(runtime, worker, [run_id])[0] for run_id in run_ids]
    for claimed in found.values():
        if claimed is not None:
            claimed.published = claimed.seq
    return [found[run_id] for run_id in run_ids]


def _claim(runtime: Runtime, session: Session, rows: Rows, run_id: str, worker: str) -> Claim | None:
    now = runtime.clock.now()
    values = {"b_run": run_id, "b_now": now, "worker": worker, "until": now + LEASE}
    row = session.connection().execute(CLAIM, values).one_or_none()
    if row is None:
        return None
    first = row.fence == 1
    steps: Sequence[StepRunRow] = ()
    request = cast(dict[str, Any], runtime.vault.open_json(row.owner_id, f"runs.request:{run_id}", row.request))
    if not first or request.get("kept"):
        mine = select(StepRunRow).where(StepRunRow.run_id == run_id).order_by(StepRunRow.attempt)
        steps = session.scalars(mine).all()
    claimed = Claim(
        run_id=run_id,
        owner_id=row.owner_id,
        pipeline_id=row.pipeline_id,
        plan=row.plan,
        fence=row.fence,
        seq=row.last_seq - 1,
        cancelled=row.cancel_requested_at is not None,
        definition=read_definition(request["definition"]),
        pipelines={name: read_definition(found) for name, found in request.get("pipelines", {}).items()},
        input_data=request["input"],
        funding=request["funding"],
        selection=open_selection(request["selection"]),
        attempts={StepKey(step.frame, step.step_id, step.visit): _attempt(runtime, step) for step in steps},
        rates=runtime.prices.of_run(runtime, row.price_version).rates(row.plan),
        working_since=row.working_since,
        worked_ms=row.worked_ms,
        spent_micros=sum(step.credit_micros for step in steps),
        budget_lifted=row.budget_lifted_at is not None,
        personal_data=request.get("personal_data", "off"),
        cap_micros=row.reserved_micros,
        automatic=row.started_by is not None,
        trigger=row.trigger_type,
    )
    if first:
        rows.add_events(runtime, claimed, [("run_status", None, {"status": "running"})])
    claimed.seq = row.last_seq
    return claimed


def _attempt(runtime: Runtime, row: StepRunRow) -> Attempt:
    content = open_content(runtime, row)
    notes: dict[str, JsonValue] = {name: content[name] for name in NOTES if name in content}
    return Attempt(row.id, row.attempt, row.status, row.held_micros, row.retry_at, content.get("parsed"), notes)
