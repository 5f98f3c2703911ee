"""The journal's writes. Every change of a run goes through `apply`, fenced by the claim's token.

A process that lost its lease finds that its fence no longer matches, writes nothing, and stops.
Finishing one step and starting the next are one transaction, together with their ledger movements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from core.credits import postings
from core.credits.domain import InsufficientCredits
from core.execution.domain import ADVANCING, Selection
from core.execution.leases import LEASE
from core.execution.models import RunEventRow, RunRow, StepRunRow
from core.pipelines.definition import Definition
from core.platform.database import AnyRow, UtcDateTime
from core.platform.runtime import Runtime
from core.shared.errors import AppError
from core.shared.types import JsonValue

# The statements of the hot path are built once, on the tables themselves: building and compiling them anew, and the
# ORM's bookkeeping of changed objects, took most of the CPU of a step.
RUNS = cast(Table, RunRow.__table__)
STEPS = cast(Table, StepRunRow.__table__)
EVENTS = cast(Table, RunEventRow.__table__)
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
    )
    .values(
        fence=RUNS.c.fence + 1,
        last_seq=RUNS.c.last_seq + 1,
        status="running",
        lease_owner=bindparam("worker"),
        lease_until=bindparam("until"),
        started_at=func.coalesce(RUNS.c.started_at, bindparam("b_now", type_=UtcDateTime())),
    )
    .returning(*RUNS.c)
)
_HELD = (RUNS.c.id == bindparam("b_run"), RUNS.c.fence == bindparam("b_fence"))
_FENCE = ("last_seq", "lease_until")
_FENCE_END = (*_FENCE, "status", "completed_at", "lease_owner", "result", "error_code")
_ENDED = (
    "status", "content", "input_tokens", "output_tokens", "credit_micros", "cost_micro_cents", "stop_reason",
    "error_code", "retry_at", "completed_at",
)  # fmt: skip
KEEP_RUN = update(RUNS).where(*_HELD).values({name: bindparam(name) for name in _FENCE})
END_RUN = update(RUNS).where(*_HELD).values({name: bindparam(name) for name in _FENCE_END})
START_STEP = insert(STEPS)
END_STEP = update(STEPS).where(STEPS.c.id == bindparam("b_step")).values({name: bindparam(name) for name in _ENDED})
ADD_EVENT = insert(EVENTS)
FOLD_TOKENS = delete(EVENTS).where(
    EVENTS.c.run_id == bindparam("b_run"), EVENTS.c.kind == "token", EVENTS.c.step_id == bindparam("b_step")
)


class LostLease(Exception):
    """Another process has claimed the run."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The newest journalled attempt of a step, as a claim finds it."""

    row_id: str
    attempt: int
    status: str
    held_micros: int
    retry_at: datetime | None
    output: JsonValue = None


@dataclass(slots=True)
class Claim:
    """A run in the hands of one process. `seq` numbers its events; `published` is the newest that is committed."""

    run_id: str
    owner_id: str
    pipeline_id: str | None
    plan: str
    fence: int
    seq: int
    cancelled: bool
    definition: Definition
    input_data: dict[str, JsonValue]
    funding: dict[str, str]
    selection: Selection
    attempts: dict[str, Attempt]
    published: int = 0


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step is about to call out. `resumed`: its row exists, from a process that died."""

    step_id: str
    row_id: str
    step_index: int
    type: str
    attempt: int
    model: str | None
    provider: str | None
    fingerprint: bytes | None
    held_micros: int
    reusable: bool
    resumed: bool
    content: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended, well or badly. Without `started` its row was written by StepStarted."""

    step_id: str
    row_id: str
    attempt: int
    status: str
    content: dict[str, JsonValue]
    error_code: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    held_micros: int = 0
    credit_micros: int = 0
    cost_micro_cents: int = 0
    price_version: str | None = None
    stop_reason: str | None = None
    retry_at: datetime | None = None
    started: StepStarted | None = None
    streamed: bool = True


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has ended."""

    status: str
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None


Change = StepStarted | StepEnded | RunEnded


@dataclass(slots=True)
class Applied:
    """What became of the starts: refused for want of credits, or answered by a stored output."""

    refused: dict[str, AppError] = field(default_factory=dict)
    reused: dict[str, JsonValue] = field(default_factory=dict)


def cause_of(run_id: str, step_id: str, attempt: int) -> str:
    """The name of a call: its idempotency key at the vendor and its cause in the ledger."""
    return f"{run_id}:{step_id}:{attempt}"


def claim(runtime: Runtime, run_id: str, worker: str) -> Claim | None:
    """Take a run whose lease is free. None when it has ended or somebody else holds it."""
    now = runtime.clock.now()
    values = {"b_run": run_id, "b_now": now, "worker": worker, "until": now + LEASE}
    with runtime.database.write() as session:
        row = session.connection().execute(CLAIM, values).one_or_none()
        if row is None:
            return None
        first = row.fence == 1
        steps: Sequence[StepRunRow] = ()
        if not first or row.trigger_type == "retry":
            mine = select(StepRunRow).where(StepRunRow.run_id == run_id).order_by(StepRunRow.attempt)
            steps = session.scalars(mine).all()
        request = cast(dict[str, Any], runtime.vault.open_json(row.owner_id, f"runs.request:{run_id}", row.request))
        claimed = Claim(
            run_id=run_id,
            owner_id=row.owner_id,
            pipeline_id=row.pipeline_id,
            plan=row.plan,
            fence=row.fence,
            seq=row.last_seq - 1,
            cancelled=row.cancel_requested_at is not None,
            definition=Definition.model_validate(request["definition"]),
            input_data=request["input"],
            funding=request["funding"],
            selection=open_selection(request["selection"]),
            attempts={step.step_id: _attempt(runtime, step) for step in steps},
        )
        if first:
            _write_events(runtime, session, claimed, [("run_status", None, {"status": "running"})])
        claimed.seq = row.last_seq
    claimed.published = claimed.seq
    return claimed


def apply(runtime: Runtime, claim: Claim, changes: Sequence[Change]) -> Applied:
    """Record changes in one transaction. Raises LostLease when the run was claimed by another."""
    applied, seq = Applied(), claim.seq
    try:
        with runtime.database.write() as session:
            now = runtime.clock.now()
            end = next((change for change in changes if isinstance(change, RunEnded)), None)
            # The fence first: it locks the row, so nobody can claim the run until this is written.
            # Every change makes at most one event; an unused number is a gap, which readers do not mind.
            values: dict[str, Any] = {"last_seq": seq + len(changes), "lease_until": now + LEASE}
            if end is not None:
                result: JsonValue = {"output": end.output, "error": end.error}
                values |= {"status": end.status, "completed_at": now, "lease_owner": None, "lease_until": None}
                values["error_code"] = str(end.error["code"]) if end.error else None
                values["result"] = runtime.vault.seal_json(claim.owner_id, f"runs.result:{claim.run_id}", result)
            _fenced(session, claim, values, ends=end is not None)
            events: list[tuple[str, str | None, dict[str, JsonValue]]] = []
            for change in changes:
                if isinstance(change, StepStarted):
                    events += _start(runtime, session, claim, change, applied)
                elif isinstance(change, StepEnded):
                    events += _end(runtime, session, claim, change)
            if end is not None:
                events.append(("run_status", None, {"status": end.status}))
            _write_events(runtime, session, claim, events)
            claim.seq = seq + len(changes)
    except BaseException:
        claim.seq = seq
        raise
    claim.published = claim.seq
    runtime.dispatcher.tell(claim.run_id)
    return applied


def append_tokens(runtime: Runtime, batch: Sequence[tuple[Claim, str, str]]) -> list[str]:
    """Write live text of several runs at once. Returns the ids of runs whose lease was lost."""
    lost = []
    with runtime.database.write() as session:
        for claim, step_id, text in batch:
            seq = claim.seq + 1
            fenced = update(RunRow).where(RunRow.id == claim.run_id, RunRow.fence == claim.fence).values(last_seq=seq)
            if cast(CursorResult[Any], session.execute(fenced)).rowcount != 1:
                lost.append(claim.run_id)
                continue
            _write_events(runtime, session, claim, [("token", step_id, {"text": text})])
    for claim, _, _ in batch:
        claim.published = claim.seq
        runtime.dispatcher.tell(claim.run_id)
    return lost


def _fenced(session: Session, claim: Claim, values: dict[str, Any], *, ends: bool) -> None:
    held = {"b_run": claim.run_id, "b_fence": claim.fence}
    if session.connection().execute(END_RUN if ends else KEEP_RUN, values | held).rowcount != 1:
        raise LostLease


def _start(
    runtime: Runtime, session: Session, claim: Claim, change: StepStarted, applied: Applied
) -> list[tuple[str, str | None, dict[str, JsonValue]]]:
    if change.reusable and change.fingerprint is not None:
        stored = find_reusable(session, claim.owner_id, change.fingerprint)
        if stored is not None:
            content = open_content(runtime, stored)
            applied.reused[change.step_id] = content.get("parsed")
            copy = StepEnded(
                change.step_id,
                change.row_id,
                change.attempt,
                "reused",
                content,
                held_micros=change.held_micros if change.resumed else 0,
                stop_reason=stored.stop_reason,
                started=change,
            )
            return _end(runtime, session, claim, copy)
    if change.held_micros and not change.resumed:
        cause = cause_of(claim.run_id, change.step_id, change.attempt)
        try:
            postings.hold(runtime, session, claim.owner_id, plan=claim.plan, micros=change.held_micros, cause=cause)
        except InsufficientCredits as refusal:
            applied.refused[change.step_id] = refusal
            return []
    if not change.resumed:
        session.connection().execute(START_STEP, _row(runtime, claim, change))
    return [("step_status", change.step_id, {"status": "running", "attempt": change.attempt})]


def _end(
    runtime: Runtime, session: Session, claim: Claim, change: StepEnded
) -> list[tuple[str, str | None, dict[str, JsonValue]]]:
    now = runtime.clock.now()
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
        "completed_at": now,
    }
    if change.started is not None and not change.started.resumed:
        row = _row(runtime, claim, change.started) | values | {"held_micros": 0}
        session.connection().execute(START_STEP, row)
    else:
        session.connection().execute(END_STEP, values | {"b_step": change.row_id})
        if change.streamed:
            session.connection().execute(FOLD_TOKENS, {"b_run": claim.run_id, "b_step": change.step_id})
    cause = cause_of(claim.run_id, change.step_id, change.attempt)
    if change.credit_micros:
        postings.settle(
            runtime,
            session,
            claim.owner_id,
            held=change.held_micros,
            micros=change.credit_micros,
            cause=cause,
            price_version=change.price_version,
        )
    else:
        postings.release(runtime, session, claim.owner_id, held=change.held_micros, cause=cause)
    facts: dict[str, JsonValue] = {"status": change.status, "attempt": change.attempt}
    if change.error_code:
        facts["error_code"] = change.error_code
    return [("step_status", change.step_id, facts)]


def _row(runtime: Runtime, claim: Claim, change: StepStarted) -> dict[str, Any]:
    return {
        "id": change.row_id,
        "run_id": claim.run_id,
        "owner_id": claim.owner_id,
        "pipeline_id": claim.pipeline_id,
        "step_id": change.step_id,
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


def find_reusable(session: Session, owner_id: str, fingerprint: bytes) -> StepRunRow | None:
    """The newest stored output of this person's with a fingerprint."""
    same = (StepRunRow.owner_id == owner_id, StepRunRow.fingerprint == fingerprint)
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
    steps = selection.steps
    return {"steps": None if steps is None else sorted(steps), "reusable": sorted(selection.reusable)}  # type: ignore[dict-item]


def open_selection(value: dict[str, Any]) -> Selection:
    """A selection from JSON."""
    steps = value["steps"]
    return Selection(None if steps is None else frozenset(steps), frozenset(value["reusable"]))


def _attempt(runtime: Runtime, row: StepRunRow) -> Attempt:
    done = row.status in ("completed", "reused")
    output = open_content(runtime, row).get("parsed") if done else None
    return Attempt(row.id, row.attempt, row.status, row.held_micros, row.retry_at, output)


def _write_events(
    runtime: Runtime,
    session: Session,
    claim: Claim,
    events: Sequence[tuple[str, str | None, dict[str, JsonValue]]],
) -> None:
    now, rows = runtime.clock.now(), []
    for kind, step_id, data in events:
        claim.seq += 1
        sealed = runtime.vault.seal_json(claim.owner_id, f"run_events.data:{claim.run_id}/{claim.seq}", data)
        rows.append(
            {
                "run_id": claim.run_id,
                "seq": claim.seq,
                "kind": kind,
                "step_id": step_id,
                "data": sealed,
                "at": now,
            }
        )
    if rows:
        session.connection().execute(ADD_EVENT, rows)
