"""The journal's writes. Every change of a run goes through `apply`, fenced by the claim's token.

A process that lost its lease finds that its fence no longer matches, writes nothing, and stops.
Finishing one step and starting the next are one transaction, together with their ledger movements.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.accounts.standing import check_may_process
from core.credits import postings
from core.credits.domain import InsufficientCredits
from core.execution.changes import (
    Applied,
    Change,
    Claim,
    Departs,
    Event,
    LostLease,
    Progress,
    RunEnded,
    RunParked,
    StepEnded,
    StepKey,
    StepStarted,
    StepWaits,
    Written,
    cause_of,
)
from core.execution.domain import Selection
from core.execution.journal_rows import STEPS, Rows
from core.execution.leases import LEASE
from core.execution.measures import measure
from core.execution.models import DeliveryRow, ReviewRow, RunRow, StepRunRow
from core.execution.review_mail import ask_by_mail
from core.platform.database import AnyRow
from core.platform.runtime import Runtime
from core.shared.errors import AppError, Forbidden
from core.shared.types import JsonValue

# The statements of the hot path are built once, on the tables themselves: building and compiling them anew, and the
# ORM's bookkeeping of changed objects, took most of the CPU of a step.
RUNS = cast(Table, RunRow.__table__)
_HELD = (RUNS.c.id == bindparam("b_run"), RUNS.c.fence == bindparam("b_fence"))
_FENCE = ("last_seq", "lease_until")
_FENCE_END = (*_FENCE, "status", "completed_at", "lease_owner", "result", "error_code")
_FENCE_PARK = (*_FENCE, "status", "wake_at", "lease_owner", "error_code", "working_since", "worked_ms")
KEEP_RUN = update(RUNS).where(*_HELD).values({name: bindparam(name) for name in _FENCE})
END_RUN = update(RUNS).where(*_HELD).values({name: bindparam(name) for name in _FENCE_END})
# Of its starter's cap a run takes what it reserved while it goes on, and what it spent once it has ended.
_SPENT = select(func.coalesce(func.sum(STEPS.c.credit_micros), 0)).where(STEPS.c.run_id == bindparam("b_run"))
TAKE_SPENT = update(RUNS).where(RUNS.c.id == bindparam("b_run")).values(reserved_micros=_SPENT.scalar_subquery())
PARK_RUN = update(RUNS).where(*_HELD).values({name: bindparam(name) for name in _FENCE_PARK})


def apply(runtime: Runtime, claim: Claim, changes: Sequence[Change]) -> Applied:
    """Record changes of one run in one transaction. Raises LostLease when the run was claimed by another."""
    (applied,) = apply_group(runtime, [(claim, changes)])
    if isinstance(applied, Exception):
        raise applied
    return applied


def apply_group(runtime: Runtime, group: Sequence[Written]) -> Sequence[Applied | Exception]:
    """Record changes of several runs in one transaction, each as if it were alone: what failed stands in its place."""
    seqs = [claim.seq for claim, _ in group]
    # Always in the same order: transactions of two processes that lock the same rows wait, and never deadlock.
    order = sorted(range(len(group)), key=lambda place: (group[place][0].owner_id, group[place][0].run_id))
    answers: dict[int, Applied | Exception] = {}
    try:
        with runtime.database.write() as session:
            rows = Rows(session)
            for place in order:
                claim, changes = group[place]
                try:
                    answers[place] = _apply(runtime, session, rows, claim, changes)
                except LostLease as lost:
                    answers[place] = lost
            rows.flush()
    except Exception as error:
        for (claim, _), seq in zip(group, seqs, strict=True):
            claim.seq = seq
        if len(group) == 1:
            return [error]
        return [apply_group(runtime, [each])[0] for each in group]
    for (claim, _), answer in zip(group, (answers[place] for place in range(len(group))), strict=True):
        if isinstance(answer, Applied):
            claim.published = claim.seq
            runtime.dispatcher.tell(claim.run_id)
    for (claim, changes), place in zip(group, range(len(group)), strict=True):
        if isinstance(answers[place], Applied):
            measure(runtime, claim, changes)
    return [answers[place] for place in range(len(group))]


def _apply(runtime: Runtime, session: Session, rows: Rows, claim: Claim, changes: Sequence[Change]) -> Applied:
    # The fence first: it locks the row, so nobody can claim the run until this is written.
    # Every change makes at most one event; an unused number is a gap, which readers do not mind.
    applied, seq = Applied(), claim.seq
    end = changes[-1] if changes and isinstance(changes[-1], RunEnded | RunParked) else None
    _fence(runtime, session, claim, seq + len(changes), end)
    events: list[Event] = []
    for change in changes:
        events += _apply_one(runtime, session, rows, claim, change, applied)
    rows.add_events(runtime, claim, events)
    claim.seq = seq + len(changes)
    return applied


def _apply_one(
    runtime: Runtime, session: Session, rows: Rows, claim: Claim, change: Change, applied: Applied
) -> list[Event]:
    if isinstance(change, StepStarted):
        return _start(runtime, session, rows, claim, change, applied)
    if isinstance(change, StepEnded):
        return _end(runtime, session, rows, claim, change)
    if isinstance(change, StepWaits):
        return _wait(runtime, session, rows, claim, change)
    if isinstance(change, Progress):
        return [("trace_event", change.key.step_id, _placed(change.key, change.facts))]
    if isinstance(change, Departs):
        rows.add_departure(runtime, claim, change.key.step_id, change.departure)
        return []
    if isinstance(change, RunParked):
        rows.flush()  # what waits is counted
        return _park(runtime, session, claim, change, applied)
    _add_deliveries(runtime, session, claim, change)
    if claim.automatic:
        rows.flush()  # what its last steps cost is counted
        session.connection().execute(TAKE_SPENT, {"b_run": claim.run_id})
    if any(attempt.status == "waiting" for attempt in claim.attempts.values()):
        still_open = (ReviewRow.run_id == claim.run_id, ReviewRow.status == "open")
        session.execute(update(ReviewRow).where(*still_open).values(status="closed", link_hash=None))
    return [("run_status", None, {"status": change.status})]


def append_tokens(runtime: Runtime, batch: Sequence[tuple[Claim, str, str]]) -> list[str]:
    """Write live text of several runs at once. Returns the ids of runs whose lease was lost."""
    lost = []
    with runtime.database.write() as session:
        rows = Rows(session)
        for claim, step_id, text in batch:
            seq = claim.seq + 1
            fenced = update(RunRow).where(RunRow.id == claim.run_id, RunRow.fence == claim.fence).values(last_seq=seq)
            if cast(CursorResult[Any], session.execute(fenced)).rowcount != 1:
                lost.append(claim.run_id)
                continue
            rows.add_events(runtime, claim, [("token", step_id, {"text": text})])
        rows.flush()
    for claim, _, _ in batch:
        claim.published = claim.seq
        runtime.dispatcher.tell(claim.run_id)
    return lost


def _fence(runtime: Runtime, session: Session, claim: Claim, seq: int, end: Change | None) -> None:
    """Prove that the run is still ours, and write what changes of it. Raises LostLease."""
    now = runtime.clock.now()
    values: dict[str, Any] = {"last_seq": seq, "lease_until": now + LEASE, "b_run": claim.run_id}
    values["b_fence"] = claim.fence
    statement = KEEP_RUN
    if isinstance(end, RunEnded):
        statement = END_RUN
        result: JsonValue = {"output": end.output, "error": end.error}
        values |= {"status": end.status, "completed_at": now, "lease_owner": None, "lease_until": None}
        values["error_code"] = str(end.error["code"]) if end.error else None
        values["result"] = runtime.vault.seal_json(claim.owner_id, f"runs.result:{claim.run_id}", result)
    elif isinstance(end, RunParked):
        statement = PARK_RUN
        for_a_person = bool(end.waiting or end.paused)
        status = "waiting" if for_a_person else "running"
        values |= {"status": status, "wake_at": end.wake_at, "lease_owner": None, "lease_until": None}
        # A wait for a person is not time of the run; a wait for the next attempt is.
        worked = claim.worked_ms + (now - claim.working_since) // timedelta(milliseconds=1)
        values |= {"working_since": None if for_a_person else claim.working_since}
        values |= {"worked_ms": worked if for_a_person else claim.worked_ms}
        values["error_code"] = "BUDGET_PAUSED" if end.paused else None
    if session.connection().execute(statement, values).rowcount != 1:
        raise LostLease


def _add_deliveries(runtime: Runtime, session: Session, claim: Claim, ended: RunEnded) -> None:
    now = runtime.clock.now()
    for each in ended.deliveries:
        row_id = runtime.ids.new()
        session.add(
            DeliveryRow(
                id=row_id,
                owner_id=claim.owner_id,
                run_id=claim.run_id,
                target=each.target,
                kind=each.kind,
                status="failed" if each.error else "pending",
                request=runtime.vault.seal_json(claim.owner_id, f"deliveries.request:{row_id}", each.request),
                attempts=0,
                fence=0,
                next_attempt_at=None if each.error else now,
                error_code=each.error.code if each.error else None,
                created_at=now,
            )
        )


def _park(runtime: Runtime, session: Session, claim: Claim, change: RunParked, applied: Applied) -> list[Event]:
    # The fence holds the run's row, and so does a decision: it was either counted here, or finds the run waiting.
    waiting = (StepRunRow.run_id == claim.run_id, StepRunRow.status == "waiting")
    count = session.scalar(select(func.count()).where(*waiting)) or 0
    if count < change.waiting:
        applied.decided = True
        session.execute(update(RunRow).where(RunRow.id == claim.run_id).values(status="pending", wake_at=None))
        runtime.dispatcher.enqueue(session, claim.run_id)
        return []
    if change.wake_at is not None:
        runtime.dispatcher.enqueue(session, claim.run_id, change.wake_at)
    return [("run_status", None, {"status": "waiting"})] if change.waiting or change.paused else []


def _wait(runtime: Runtime, session: Session, rows: Rows, claim: Claim, change: StepWaits) -> list[Event]:
    started = change.started
    rows.starts.append(_row(runtime, claim, started) | {"status": "waiting"})
    rows.flush()  # the question points at it
    review_id = runtime.ids.new()
    session.add(
        ReviewRow(
            id=review_id,
            owner_id=claim.owner_id,
            run_id=claim.run_id,
            step_run_id=started.row_id,
            step_id=started.key.step_id,
            status="open",
            question=runtime.vault.seal_json(claim.owner_id, f"reviews.question:{review_id}", change.question),
            on_timeout=change.on_timeout,
            due_at=change.due_at,
            created_at=runtime.clock.now(),
        )
    )
    session.flush()
    ask_by_mail(runtime, session, claim, change, review_id)
    return [("step_status", started.key.step_id, _placed(started.key, {"status": "waiting", "attempt": 1}))]


def _placed(key: StepKey, facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """An event's data, with the frame where it is not the outermost."""
    return {**facts, "frame": key.frame} if key.frame else facts


def _in_an_item(key: StepKey) -> bool:
    """Whether a step belongs to an item of a `map`: those are told as progress, not one by one."""
    return "[" in key.frame


def _start(
    runtime: Runtime, session: Session, rows: Rows, claim: Claim, change: StepStarted, applied: Applied
) -> list[Event]:
    if change.reusable and change.fingerprint is not None:
        stored = find_reusable(session, claim.owner_id, change.fingerprint, claim.selection.source)
        if stored is not None:
            content = open_content(runtime, stored)
            content["saved_micros"] = stored.credit_micros or content.get("saved_micros") or 0
            applied.reused[change.row_id] = content.get("parsed"), content
            copy = StepEnded(
                change.key,
                change.row_id,
                change.attempt,
                "reused",
                content,
                held_micros=change.held_micros if change.resumed else 0,
                stop_reason=stored.stop_reason,
                started=change,
            )
            return _end(runtime, session, rows, claim, copy)
    refusal = _may_not_begin(session, rows, claim.owner_id) or change.refusal
    if refusal is not None:
        if change.resumed:  # it was held for when it was begun
            cause = cause_of(claim.run_id, change.key, change.attempt)
            postings.release(runtime, session, claim.owner_id, held=change.held_micros, cause=cause)
        applied.refused[change.row_id] = refusal
        return []
    if change.held_micros and not change.resumed:
        cause = cause_of(claim.run_id, change.key, change.attempt)
        try:
            postings.hold(runtime, session, claim.owner_id, plan=claim.plan, micros=change.held_micros, cause=cause)
        except InsufficientCredits as too_few:
            applied.refused[change.row_id] = too_few
            return []
    if not change.resumed:
        rows.starts.append(_row(runtime, claim, change))
    if change.departure is not None:  # also when it is resumed: then it leaves once more
        rows.add_departure(runtime, claim, change.key.step_id, change.departure)
    if _in_an_item(change.key):
        return []
    facts: dict[str, JsonValue] = {"status": "running", "attempt": change.attempt}
    return [("step_status", change.key.step_id, _placed(change.key, facts))]


def _may_not_begin(session: Session, rows: Rows, owner_id: str) -> AppError | None:
    """Why nothing is called for a person: asked once a transaction, in which nobody can change it."""
    if owner_id not in rows.refusals:
        try:
            check_may_process(session, owner_id)
        except Forbidden as refusal:
            rows.refusals[owner_id] = refusal
        else:
            rows.refusals[owner_id] = None
    return rows.refusals[owner_id]


def _end(runtime: Runtime, session: Session, rows: Rows, claim: Claim, change: StepEnded) -> list[Event]:
    values = {
        "status": change.status,
        "content": runtime.vault.seal_json(claim.owner_id, f"step_runs.content:{change.row_id}", change.content),
        "input_tokens": change.input_tokens,
        "output_tokens": change.output_tokens,
        "credit_micros": change.credit_micros,
        "cost_micro_cents": change.cost_micro_cents,
        "stop_reason": change.stop_reason,
        "error_code": change.error_code,
        "retry_at": change.retry_at,
    }
    if change.started is not None and not change.started.resumed:
        row = _row(runtime, claim, change.started) | values | {"held_micros": 0, "completed_at": runtime.clock.now()}
        rows.starts.append(row)
    else:
        rows.ends.append(values | {"b_step": change.row_id, "completed_at": runtime.clock.now()})
        if change.streamed:
            rows.folds.append({"b_run": claim.run_id, "b_step": change.key.step_id})
    rows.end_departures(change.departed)
    cause = cause_of(claim.run_id, change.key, change.attempt)
    if change.credit_micros:
        postings.settle(
            runtime,
            session,
            claim.owner_id,
            plan=claim.plan,
            held=change.held_micros,
            micros=change.credit_micros,
            cause=cause,
            price_version=change.price_version,
            metered=change.metered,
        )
    else:
        postings.release(runtime, session, claim.owner_id, held=change.held_micros, cause=cause)
    facts: dict[str, JsonValue] = {"status": change.status, "attempt": change.attempt}
    if change.error_code:
        facts["error_code"] = change.error_code
    return [] if _in_an_item(change.key) else [("step_status", change.key.step_id, _placed(change.key, facts))]


def _row(runtime: Runtime, claim: Claim, change: StepStarted) -> dict[str, Any]:
    return {
        "id": change.row_id,
        "run_id": claim.run_id,
        "owner_id": claim.owner_id,
        "pipeline_id": claim.pipeline_id,
        "frame": change.key.frame,
        "step_id": change.key.step_id,
        "visit": change.key.visit,
        "step_index": change.step_index,
        "attempt": change.attempt,
        "type": change.type,
        "model": change.model,
        "provider": change.provider,
        "status": "running",
        "fingerprint": change.fingerprint,
        "content": runtime.vault.seal_json(claim.owner_id, f"step_runs.content:{change.row_id}", change.content),
        "input_tokens": 0,
        "output_tokens": 0,
        "held_micros": change.held_micros,
        "credit_micros": 0,
        "cost_micro_cents": 0,
        "stop_reason": None,
        "error_code": None,
        "retry_at": None,
        "started_at": runtime.clock.now(),
        "completed_at": None,
    }


def find_reusable(session: Session, owner_id: str, fingerprint: bytes, source: str | None = None) -> StepRunRow | None:
    """The newest stored output of this person's with a fingerprint; with `source`, of that run."""
    same = [StepRunRow.owner_id == owner_id, StepRunRow.fingerprint == fingerprint]
    if source is not None:
        same.append(StepRunRow.run_id == source)
    kept = StepRunRow.status.in_(("completed", "reused"))
    return session.scalar(select(StepRunRow).where(*same, kept).order_by(StepRunRow.id.desc()).limit(1))


def open_content(runtime: Runtime, row: StepRunRow | AnyRow) -> dict[str, JsonValue]:
    """Prompt, raw and parsed output, and error of an attempt."""
    if row.content is None:
        return {}
    where = f"step_runs.content:{row.id}"
    return cast(dict[str, JsonValue], runtime.vault.open_json(row.owner_id, where, row.content))


def seal_selection(selection: Selection) -> dict[str, JsonValue]:
    """A selection as JSON."""
    steps: JsonValue = None if selection.steps is None else [*sorted(selection.steps)]
    return {"steps": steps, "reusable": [*sorted(selection.reusable)], "source": selection.source}


def open_selection(value: dict[str, Any]) -> Selection:
    """A selection from JSON."""
    steps = value["steps"]
    return Selection(None if steps is None else frozenset(steps), frozenset(value["reusable"]), value.get("source"))
