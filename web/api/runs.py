"""`pipelines/{id}/run` and `runs/*`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import StreamingResponse

from core.execution import commands, queries, review_queries, reviews
from core.execution.domain import ReviewView, RunSummary
from core.shared.clock import iso_z
from core.shared.errors import InvalidInput
from core.shared.money import credits_number
from web.api.context import (
    CursorQuery,
    ExecutingKeyDep,
    ExecutorDep,
    IdPath,
    LimitQuery,
    OnceDep,
    ReaderDep,
    ReadingCallerDep,
    RuntimeDep,
    StarterDep,
)
from web.api.payloads import RetryRequest, ReviewAnswer, ReviewRequest, RunAnswer, RunItem, RunRequest
from web.api.shapes import Listing, answers, file_answer
from web.api.streams import stream_events
from web.api.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["runs"])
RunStatus = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
REFUSED = (401, 403, 404, 422)
EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "The seq of the event; `connected` and `heartbeat` have none."},
        "event": {"enum": ["connected", "run_status", "step_status", "token", "trace_event", "heartbeat"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
STARTING = (*REFUSED, 402, 409, 429)


@router.post(
    "/pipelines/{pipeline_id}/run",
    status_code=202,
    response_model=None,
    responses=answers(202, RunAnswer, *STARTING),
)
def start_run(
    pipeline_id: IdPath,
    account: ExecutorDep,
    starter: StarterDep,
    runtime: RuntimeDep,
    once: OnceDep,
    body: RunRequest | None = None,
) -> dict[str, Any]:
    """Start a run; follow it at `runs/{id}/stream`."""
    asked = body or RunRequest(version=None, from_run=None, from_step=None)
    if asked.from_step is not None and asked.from_run is None:
        raise InvalidInput("MISSING_FIELD", "`from_step` says where in `from_run` to begin: add it.", field="from_run")
    if asked.from_run is not None:
        given = asked.input_data if "input_data" in asked.model_fields_set else None
        fork = commands.fork_run(
            runtime,
            account,
            pipeline_id,
            asked.from_run,
            asked.from_step,
            version=asked.version,
            input_data=given,
            once=once,
            starter=starter,
        )
        return queries.run_as_dict(fork)
    view = commands.start_run(
        runtime,
        account,
        pipeline_id,
        asked.input_data,
        trigger="api",
        version=asked.version,
        once=once,
        starter=starter,
    )
    return queries.run_as_dict(view)


@router.get("/runs", response_model=None, responses=answers(200, Listing[RunItem], *REFUSED))
def list_runs(
    account: ReaderDep,
    runtime: RuntimeDep,
    pipeline_id: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = None,
    status: RunStatus | None = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> dict[str, Any]:
    """Your runs, newest first."""
    page = queries.list_runs(runtime, account.id, pipeline_id=pipeline_id, status=status, limit=limit, cursor=cursor)
    return {"items": [run_item(run) for run in page.items], "next_cursor": page.next_cursor}


@router.get("/runs/{run_id}", response_model=None, responses=answers(200, RunAnswer, *REFUSED))
def get_run(run_id: IdPath, account: ReaderDep, runtime: RuntimeDep) -> dict[str, Any]:
    """A run with its steps."""
    return queries.run_as_dict(queries.get_run(runtime, account.id, run_id))


@router.get(
    "/runs/{run_id}/stream",
    response_class=StreamingResponse,
    responses=file_answer({"text/event-stream": {"itemSchema": EVENT}}, *REFUSED),
)
def stream_run(
    run_id: IdPath,
    caller: ReadingCallerDep,
    runtime: RuntimeDep,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """Server-sent events: `connected`, `run_status`, `step_status`, `token`, `trace_event`, `heartbeat`.

    `id` is the seq: send it back as `Last-Event-ID` to go on from there. Closes after the final `run_status`.
    """
    status = queries.run_status(runtime, caller.account.id, run_id)
    after = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
    events = stream_events(runtime, caller.account.id, run_id, status, caller.is_live, min(after, 2**62))
    # no-transform and X-Accel-Buffering keep proxies from holding events back.
    headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.post("/runs/{run_id}/cancel", response_model=None, responses=answers(200, RunAnswer, *REFUSED))
def cancel_run(run_id: IdPath, account: ExecutorDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Stop a run; calls in flight are cut, what was used is charged."""
    return queries.run_as_dict(commands.cancel_run(runtime, account.id, run_id))


@router.post(
    "/runs/{run_id}/retry",
    status_code=202,
    response_model=None,
    responses=answers(202, RunAnswer, *STARTING),
)
def retry_run(
    run_id: IdPath,
    account: ExecutorDep,
    starter: StarterDep,
    runtime: RuntimeDep,
    once: OnceDep,
    body: RetryRequest | None = None,
) -> dict[str, Any]:
    """Run again from the failed step, or from a step of choice; what came before is reused."""
    from_step = body.from_step if body else None
    return queries.run_as_dict(
        commands.retry_run(runtime, account, run_id, from_step=from_step, once=once, starter=starter)
    )


@router.post("/runs/{run_id}/resume", response_model=None, responses=answers(200, RunAnswer, *REFUSED, 409))
def resume_run(run_id: IdPath, account: ExecutorDep, key: ExecutingKeyDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Let a run go on that its budget paused; the budget does not hold for it any more.

    An API key with a cap may do this for the runs that it started: 403 `KEY_CAP` for others.
    """
    return queries.run_as_dict(commands.lift_budget(runtime, account.id, run_id, key_id=key))


@router.get("/reviews", response_model=None, responses=answers(200, Listing[ReviewAnswer], *REFUSED))
def list_reviews(
    account: ReaderDep,
    runtime: RuntimeDep,
    status: Literal["open", "decided", "closed"] = "open",
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> dict[str, Any]:
    """What your runs wait for, newest first."""
    page = review_queries.list_reviews(runtime, account.id, status=status, limit=limit, cursor=cursor)
    return {"items": [_review(review) for review in page.items], "next_cursor": page.next_cursor}


@router.post(
    "/runs/{run_id}/reviews/{step_id}", response_model=None, responses=answers(200, ReviewAnswer, *REFUSED, 409)
)
def decide_review(
    run_id: IdPath,
    step_id: Annotated[str, Path(pattern=r"^[a-z0-9_]{1,100}$")],
    body: ReviewRequest,
    account: ExecutorDep,
    runtime: RuntimeDep,
    once: OnceDep,
) -> dict[str, Any]:
    """Approve, edit or reject what a step asks; the run goes on."""
    edited = {"output": body.output} if "output" in body.model_fields_set else {}
    decided = reviews.decide_review(
        runtime, account, run_id, step_id, body.decision,
        comment=body.comment, review_id=body.review_id, once=once, **edited,
    )  # fmt: skip
    return _review(decided)


def _review(review: ReviewView) -> dict[str, Any]:
    facts = {name: getattr(review, name) for name in ReviewAnswer.model_fields}
    return {name: iso_z(value) if isinstance(value, datetime) else value for name, value in facts.items()}


def run_item(run: RunSummary) -> dict[str, Any]:
    """A run in a list, as clients see it."""
    return {
        "id": run.id,
        "pipeline_id": run.pipeline_id,
        "pipeline_name": run.pipeline_name,
        "pipeline_version": run.pipeline_version,
        "status": run.status,
        "trigger_type": run.trigger_type,
        "credits_deducted": credits_number(run.credits_micros),
        "duration_ms": run.duration_ms,
        "started_at": iso_z(run.started_at) if run.started_at else None,
        "created_at": iso_z(run.created_at),
    }
