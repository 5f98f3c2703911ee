"""`webhooks/{pipeline_id}`: another program starts a run, and needs to know nothing but an address and a key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from starlette.requests import Request

from core.accounts.domain import KeyHolder
from core.execution.commands import start_run
from core.shared.errors import Forbidden, InvalidInput
from web.api.context import KEY_HEADER, IdPath, OnceDep, RuntimeDep, key_holder, starter_of
from web.api.payloads import WebhookAnswer, answers
from web.api.strict_json import StrictJsonRoute

TRIGGER = "webhooks:trigger"
router = APIRouter(route_class=StrictJsonRoute, tags=["webhooks"])
KeyQuery = Annotated[
    str | None,
    Query(max_length=200, description="For senders that set no headers: a key whose only scope is `webhooks:trigger`."),
]


def current_sender(request: Request, runtime: RuntimeDep, api_key: KeyQuery = None) -> KeyHolder:
    """Whose webhook it is. An address may be written down anywhere, so a key in one may do nothing else."""
    sent = request.headers.get(KEY_HEADER)
    key = api_key if sent is None else sent
    if key is None:
        raise Forbidden("UNAUTHENTICATED", "Send an API key with the scope webhooks:trigger in X-API-Key.")
    holder = key_holder(runtime, key, TRIGGER)
    if sent is None and holder.scopes != {TRIGGER}:
        message = "A key in an address may only have the scope webhooks:trigger. Send this one in X-API-Key."
        raise Forbidden("SCOPE", message, scope=TRIGGER)
    return holder


SenderDep = Annotated[KeyHolder, Depends(current_sender)]


@router.post(
    "/webhooks/{pipeline_id}",
    status_code=202,
    response_model=None,
    responses=answers(202, WebhookAnswer, 400, 401, 402, 403, 404, 409, 413, 422, 429),
)
def receive_webhook(
    pipeline_id: IdPath,
    sender: SenderDep,
    runtime: RuntimeDep,
    once: OnceDep,
    body: Annotated[Any, Body(examples=[{"input_data": {"text": "Hello"}}])] = None,
) -> dict[str, Any]:
    """Start a run with `input_data` of the body, or with the whole body where it has no such field."""
    given = {} if body is None else body
    if not isinstance(given, dict):
        raise InvalidInput("INVALID_INPUT", "The body must be a JSON object: its fields are the inputs.")
    wrapped = given.get("input_data")
    data = wrapped if isinstance(wrapped, dict) else given
    run = start_run(
        runtime, sender.account, pipeline_id, data, trigger="webhook", once=once, starter=starter_of(sender)
    )
    return {"accepted": True, "run_id": run.id, "status": run.status, "pipeline_id": pipeline_id}
