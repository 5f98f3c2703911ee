"""Reading what was sent where when a run ended, and how each attempt went."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import select

from core.execution.models import DeliveryAttemptRow, DeliveryRow
from core.platform.runtime import Runtime


@dataclass(frozen=True, slots=True)
class DeliveryAttemptView:
    """One attempt. `error_code` None: it arrived."""

    number: int
    http_status: int | None
    error_code: str | None
    duration_ms: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """Something a run sent or will send. `where` is its address without secrets, its receivers, or its path."""

    id: str
    target: str
    kind: str
    status: str
    where: str
    error_code: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    sent_at: datetime | None
    attempts: tuple[DeliveryAttemptView, ...]


def deliveries_of_run(runtime: Runtime, owner_id: str, run_id: str) -> tuple[DeliveryView, ...]:
    """Everything a run of this person's sent, in the order of its targets; nothing for somebody else's."""
    mine = (DeliveryRow.owner_id == owner_id, DeliveryRow.run_id == run_id)
    with runtime.database.read() as session:
        rows = session.scalars(select(DeliveryRow).where(*mine).order_by(DeliveryRow.id)).all()
        ids = [row.id for row in rows]
        tried = select(DeliveryAttemptRow).where(DeliveryAttemptRow.delivery_id.in_(ids))
        attempts: dict[str, list[DeliveryAttemptView]] = {}
        for each in session.scalars(tried.order_by(DeliveryAttemptRow.number)):
            view = DeliveryAttemptView(each.number, each.http_status, each.error_code, each.duration_ms, each.at)
            attempts.setdefault(each.delivery_id, []).append(view)
    views = []
    for row in rows:
        request = runtime.vault.open_json(row.owner_id, f"deliveries.request:{row.id}", row.request)
        where = _where(cast(dict[str, Any], request))
        times = (row.created_at, row.next_attempt_at, row.sent_at)
        tries = tuple(attempts.get(row.id, ()))
        views.append(DeliveryView(row.id, row.target, row.kind, row.status, where, row.error_code, *times, tries))
    return tuple(views)


def _where(request: dict[str, Any]) -> str:
    if request.get("url"):
        # Where a secret is filled in when it is sent, its name stands.
        mark = re.escape(str(request.get("mark") or ""))
        return re.sub(rf"{mark}:(\w+);", r"{{env.\1}}", str(request["url"])) if mark else str(request["url"])
    return ", ".join(request.get("to") or ()) or str(request.get("path") or "")
