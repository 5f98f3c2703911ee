"""`webhooks/{pipeline_id}`: another program starts a run, and needs to know nothing but an address and a key."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request

from core.accounts.domain import KeyHolder
from core.execution.commands import start_run
from core.platform.idempotency import Once
from core.shared.errors import Forbidden, InvalidInput
from web.api.context import KEY_HEADER, IdPath, OnceDep, RuntimeDep, key_holder, starter_of
from web.api.examples import INPUTS
from web.api.schedule_payloads import WebhookAnswer
from web.api.shapes import answers
from web.api.strict_json import read_json

TRIGGER = "webhooks:trigger"
FORM = "application/x-www-form-urlencoded"
router = APIRouter(tags=["webhooks"])
KeyQuery = Annotated[
    str | None,
    Query(max_length=200, description="For senders that set no headers: a key whose only scope is `webhooks:trigger`."),
]
DeliveryHeader = Annotated[
    str | None,
    Header(
        alias="X-GitHub-Delivery",
        max_length=200,
        description="GitHub's id of a delivery, which counts like an `Idempotency-Key` where none is sent.",
    ),
]
BODY: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "the body is the input": {"value": INPUTS},
                    "inputs by name": {"value": {"input_data": INPUTS}},
                },
            },
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["payload"],
                    "properties": {"payload": {"type": "string", "description": "The body as JSON."}},
                },
                "example": {"payload": json.dumps(INPUTS)},
            },
        },
    }
}


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


async def current_body(request: Request, account: SenderDep) -> dict[str, Any]:
    """The body as an object: JSON, or JSON in the field `payload` of a form, as GitHub may send it."""
    body = await request.body()
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if kind == FORM:
        body = _payload_of(body)
    given = read_json(body) if body.strip() else {}
    if not isinstance(given, dict):
        raise InvalidInput("INVALID_INPUT", "The body must be a JSON object: its fields are the inputs.")
    return given


@router.post(
    "/webhooks/{pipeline_id}",
    status_code=202,
    response_model=None,
    responses=answers(202, WebhookAnswer, 400, 401, 402, 403, 404, 409, 413, 422, 429),
    openapi_extra={**BODY, "security": [{"key": [TRIGGER]}, {"key_in_address": [TRIGGER]}]},
)
def receive_webhook(
    pipeline_id: IdPath,
    sender: SenderDep,
    runtime: RuntimeDep,
    once: OnceDep,
    body: Annotated[dict[str, Any], Depends(current_body)],
    delivery: DeliveryHeader = None,
) -> dict[str, Any]:
    """Start a run with the whole body as its input: what the pipeline declares is checked, the rest is kept.

    Where `input_data` is an object its fields are the inputs, and fields beside it are further ones. A delivery of
    GitHub or an event of Stripe that comes again within 24 hours starts nothing and answers the first run.
    """
    once = once or _delivered_once(pipeline_id, body, delivery)
    data, starter = _inputs_of(body), starter_of(sender)
    run = start_run(runtime, sender.account, pipeline_id, data, trigger="webhook", once=once, starter=starter)
    return {"accepted": True, "run_id": run.id, "status": run.status, "pipeline_id": pipeline_id}


def _inputs_of(body: dict[str, Any]) -> dict[str, Any]:
    wrapped = body.get("input_data")
    if not isinstance(wrapped, dict):
        return body
    return {name: value for name, value in body.items() if name != "input_data"} | wrapped


def _delivered_once(pipeline_id: str, body: dict[str, Any], delivery: str | None) -> Once | None:
    """The request as one delivery. Its id says it all: Stripe counts retries in the body.

    GitHub gives all hooks of an event the same id, so it counts for each pipeline on its own.
    """
    event = body.get("id")
    if delivery:
        return Once(f"POST /webhooks/{pipeline_id} github", delivery, b"")
    if body.get("object") == "event" and isinstance(event, str) and event.startswith("evt_"):
        return Once(f"POST /webhooks/{pipeline_id} stripe", event, b"")
    return None


def _payload_of(form: bytes) -> bytes:
    """The field `payload` of a form. Raises InvalidInput MALFORMED_FORM."""
    try:
        fields = parse_qsl(form.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        fields = []
    found = [value for name, value in fields if name == "payload"]
    if len(found) != 1:
        message = "A form needs one field `payload` with JSON in it. Choose JSON as the content type, or send that."
        raise InvalidInput("MALFORMED_FORM", message)
    return found[0].encode()
