"""Sending what ended runs owe: claimed, sent outside of any transaction, recorded.

A crash between sending and recording repeats a delivery, always under the same `X-StepIQ-Delivery`.

Secrets are looked up when a delivery is sent. Only what was run from a shell carries those of that shell, sealed with
the rest of its request, until it is sent or has failed for good.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import exists, select, update
from sqlalchemy.engine import CursorResult

from core.accounts.standing import owner_processable
from core.execution.delivery_departures import departures_of
from core.execution.departures import ANSWERED, FAILED, NOT_SENT
from core.execution.domain import RunView
from core.execution.drafts import CARRIED, address_of, body_of
from core.execution.journal_rows import ADD_DEPARTURE, END_DELIVERY, departure_row, joined
from core.execution.models import DeliveryAttemptRow, DeliveryRow, RunRow
from core.execution.queries import get_run, run_as_dict
from core.execution.secrets import secrets_named
from core.pipelines.definition import read_definition
from core.pipelines.templates import print_value
from core.platform.files.commands import store_file
from core.platform.files.domain import clean_name
from core.platform.files.queries import list_files
from core.platform.logging import get_logger
from core.platform.mail.postings import enqueue_mail
from core.platform.outbound import OutboundRequest
from core.platform.runtime import Runtime
from core.platform.signatures import signed_headers
from core.shared.clock import iso_z
from core.shared.errors import AppError, InvalidInput
from core.shared.masking import Masker
from core.shared.personal_data import categories_of, find
from core.shared.types import JsonValue

MAX_ATTEMPTS = 4
TIMEOUT_SECONDS = 10.0
ANSWER_BYTES = 10_000
LEASE = timedelta(seconds=30)
BATCH = 50
LOOK_SECONDS = 0.2

log = get_logger("deliveries")


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery in the hands of this process. `departures`: its rows in the ledger of what leaves.

    Filled in while it is sent: `left` with the hosts it went to, `found` with its size and the categories in it.
    """

    id: str
    owner_id: str
    run_id: str
    target: str
    kind: str
    number: int
    fence: int
    request: dict[str, Any]
    departures: tuple[str, ...] = ()
    left: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """How an attempt went. `retry`: it may go better later."""

    http_status: int | None = None
    error_code: str | None = None
    retry: bool = False


async def deliver_due(runtime: Runtime, run_id: str | None = None) -> int:
    """Send everything that is due, of all runs or of one, together; returns how many were tried."""
    due = await asyncio.to_thread(_claim, runtime, run_id)
    await asyncio.gather(*(_deliver(runtime, each) for each in due))
    return len(due)


async def deliver_run(runtime: Runtime, run_id: str) -> None:
    """Send what one run owes, until each was tried once: here, or by another process that was quicker."""
    while await asyncio.to_thread(_is_untried, runtime, run_id):
        if not await deliver_due(runtime, run_id):
            await asyncio.sleep(LOOK_SECONDS)


def _is_untried(runtime: Runtime, run_id: str) -> bool:
    # An attempt is counted when it is claimed, and has a row once it was made.
    made = exists().where(
        DeliveryAttemptRow.delivery_id == DeliveryRow.id, DeliveryAttemptRow.number == DeliveryRow.attempts
    )
    waiting = (DeliveryRow.run_id == run_id, DeliveryRow.status == "pending", ~made)
    with runtime.database.read() as session:
        return session.scalar(select(DeliveryRow.id).where(*waiting).limit(1)) is not None


def next_delivery_at(runtime: Runtime) -> datetime | None:
    """When the next delivery is due; None when nothing waits."""
    with runtime.database.read() as session:
        may = owner_processable(DeliveryRow.owner_id)
        waiting = select(DeliveryRow.next_attempt_at).where(DeliveryRow.status == "pending", may)
        return session.scalar(waiting.order_by(DeliveryRow.next_attempt_at).limit(1))


def _claim(runtime: Runtime, run_id: str | None = None) -> list[Due]:
    now = runtime.clock.now()
    may = owner_processable(DeliveryRow.owner_id, lock=True)
    waiting = [DeliveryRow.status == "pending", DeliveryRow.next_attempt_at <= now, may]
    if run_id is not None:
        waiting.append(DeliveryRow.run_id == run_id)
    with runtime.database.write() as session:
        query = select(DeliveryRow).where(*waiting).order_by(DeliveryRow.next_attempt_at).limit(BATCH)
        rows = session.scalars(query.with_for_update(skip_locked=True)).all()
        claimed, leaving = [], []
        mine = select(RunRow.id, RunRow.pipeline_id).where(RunRow.id.in_({row.run_id for row in rows}))
        pipelines = dict(session.execute(mine).tuples().all()) if rows else {}
        for row in rows:
            row.attempts, row.fence, row.next_attempt_at = row.attempts + 1, row.fence + 1, now + LEASE
            request = runtime.vault.open_json(row.owner_id, f"deliveries.request:{row.id}", row.request)
            facts = cast(dict[str, Any], request)
            held = (row.id, row.owner_id, row.run_id, row.target, row.kind, row.attempts, row.fence)
            told = departures_of(runtime.ids, row.kind, row.target, facts)
            claimed.append(Due(*held, request=facts, departures=tuple(each.id for each in told)))
            run = (row.owner_id, row.run_id, pipelines.get(row.run_id))
            leaving += [departure_row(each, *run, None, now) for each in told]
        if leaving:  # with the claim, so that nothing is sent without its row
            session.connection().execute(ADD_DEPARTURE, leaving)
    return claimed


async def _deliver(runtime: Runtime, due: Due) -> None:
    begun = time.monotonic()
    try:
        sent = await _send(runtime, due)
    except AppError as error:
        sent = Sent(error_code=error.code, retry=bool(getattr(error, "retryable", False)))
    except Exception as error:
        log.error("delivery.crashed", delivery_id=due.id, exc_info=error)
        sent = Sent(error_code="INTERNAL", retry=True)
    await asyncio.to_thread(_record, runtime, due, sent, int((time.monotonic() - begun) * 1000))


def _record(runtime: Runtime, due: Due, sent: Sent, duration_ms: int) -> None:
    now = runtime.clock.now()
    again = sent.error_code is not None and sent.retry and due.number < MAX_ATTEMPTS
    values: dict[str, Any] = {
        "status": "sent" if sent.error_code is None else "pending" if again else "failed",
        "error_code": sent.error_code,
        "sent_at": now if sent.error_code is None else None,
        # 1, 2, 4 seconds apart.
        "next_attempt_at": now + timedelta(seconds=2 ** (due.number - 1)) if again else None,
    }
    if not again and CARRIED in due.request:
        kept: dict[str, JsonValue] = {name: value for name, value in due.request.items() if name != CARRIED}
        values["request"] = runtime.vault.seal_json(due.owner_id, f"deliveries.request:{due.id}", kept)
    mine = (DeliveryRow.id == due.id, DeliveryRow.fence == due.fence)
    outcome = ANSWERED if sent.error_code is None else FAILED if due.left else NOT_SENT
    said: dict[str, Any] = {
        "outcome": outcome,
        "categories": due.found.get("categories"),
        "size": due.found.get("size", 0),
    }
    ended = [{"b_departure": departure_id, **said} for departure_id in due.departures]
    with runtime.database.write() as session:
        if ended:
            session.connection().execute(END_DELIVERY, ended)
        done = session.execute(update(DeliveryRow).where(*mine).values(values))
        if cast(CursorResult[Any], done).rowcount != 1:
            return  # somebody else took it over
        session.add(
            DeliveryAttemptRow(
                delivery_id=due.id,
                number=due.number,
                http_status=sent.http_status,
                error_code=sent.error_code,
                duration_ms=duration_ms,
                at=now,
            )
        )


async def _send(runtime: Runtime, due: Due) -> Sent:
    run = await asyncio.to_thread(get_run, runtime, due.owner_id, due.run_id)
    if due.kind == "webhook":
        return await _post(runtime, due, run)
    if due.kind == "file":
        return await asyncio.to_thread(_store, runtime, due, run)
    return await asyncio.to_thread(_mail, runtime, due, run)


def _note(due: Due, run: RunView, text: str) -> None:
    """Note how large it is and, unless the run was to look at nothing, which personal data is in it."""
    due.found["size"] = len(text.encode())
    if run.personal_data != "off":
        due.found["categories"] = joined(categories_of(finding.kind for finding in find(text)))


def _store(runtime: Runtime, due: Due, run: RunView) -> Sent:
    """Keep the output as a file of the person's own, encrypted like any other."""
    name = str(due.request["path"])
    _note(due, run, output_text(run))
    recent = list_files(runtime, due.owner_id, limit=100).items
    begun = run.completed_at or run.created_at
    if not any(file.name == clean_name(name) and file.created_at >= begun for file in recent):
        # A crash after storing comes back here: the file is there already.
        store_file(runtime, due.owner_id, name, output_text(run).encode() or b" ")
    return Sent()


def _mail(runtime: Runtime, due: Due, run: RunView) -> Sent:
    """Put a mail into the outbox for each address; one cause is mailed once, however often this comes by."""
    completed = run.status == "completed"
    text = output_text(run) if completed else str((run.error or {}).get("message", ""))
    state = "completed" if completed else "failed"
    _note(due, run, text)
    values = {
        "pipeline": run.pipeline_name,
        "subject": str(due.request.get("subject") or f"{run.pipeline_name}: {state}"),
        "text": text,
        "run_url": f"{runtime.settings.public_url}/app/run?run={run.id}",
    }
    with runtime.database.write() as session:
        for number, address in enumerate(due.request["to"]):
            cause = f"delivery:{due.run_id}:{due.target}:{number}"
            enqueue_mail(
                runtime, session, kind="delivery", to=address, values=values, cause=cause, account_id=due.owner_id
            )
    return Sent()


def output_text(run: RunView) -> str:
    """What a run returned, as text."""
    return "" if run.output_data is None else print_value(run.output_data)


async def _post(runtime: Runtime, due: Due, run: RunView) -> Sent:
    definition = read_definition(run.definition)
    secrets: Mapping[str, str] | None = due.request.get(CARRIED)
    if secrets is None:
        names = definition.secret_names
        found = await asyncio.to_thread(secrets_named, runtime, due.owner_id, run.pipeline_id, names)
        secrets = found.values
    secret = secrets.get(due.request["signing_secret_name"])
    if not secret:
        raise InvalidInput("MISSING_SECRET", "The signing secret no longer exists. Save it again, then retry the run.")
    now = runtime.clock.now()
    content = body_of(run_as_dict(run), definition, sent_at=iso_z(now), attempt=due.number)
    # What was entered is kept as it was, and may hold a secret.
    content["input"] = Masker(secrets).mask_json(content["input"])
    written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    await asyncio.to_thread(_note, due, run, written)
    body = written.encode()
    headers = signed_headers(
        secret,
        event=str(content["event"]),
        delivery=f"{due.run_id}:{due.target}",
        timestamp=int(now.timestamp()),
        body=body,
    )

    async def sending(host: str) -> None:
        due.left.append(host)

    answer = await runtime.outbound.send(
        OutboundRequest(
            method=due.request["method"],
            url=address_of(due.request, secrets),
            headers={**headers, "Content-Type": "application/json"},
            body=body,
            timeout_seconds=TIMEOUT_SECONDS,
            max_bytes=ANSWER_BYTES,
            on_send=sending,
        )
    )
    if answer.status < 300:
        return Sent(answer.status)
    return Sent(answer.status, "HTTP_STATUS", retry=answer.status >= 500)
