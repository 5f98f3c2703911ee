"""`pipelines/{id}/schedules` and `schedules/*`: pipelines that are run at times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from core.accounts.automation import cap_micros
from core.accounts.domain import Account
from core.execution import schedules
from core.execution.caps import taken_this_month
from core.execution.domain import ScheduleView
from core.pipelines.queries import get_pipeline
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
    RuntimeDep,
)
from web.api.schedule_payloads import ScheduleChange, ScheduleItem, ScheduleRequest, UpcomingItem
from web.api.shapes import Listing, answers, problems, shown_cap
from web.api.strict_json import StrictJsonRoute

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

router = APIRouter(route_class=StrictJsonRoute, tags=["schedules"])
CAP, TAKEN = "max_credits_per_month", "credits_this_month"
REFUSED = (401, 403, 404, 422)
CHANGED = (*REFUSED, 409)  # one that is written in a definition is changed there


@router.get(
    "/pipelines/{pipeline_id}/schedules", response_model=None, responses=answers(200, Listing[ScheduleItem], *REFUSED)
)
def list_schedules(
    pipeline_id: IdPath, account: ReaderDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """The schedules of a pipeline, oldest first."""
    scope = get_pipeline(runtime, account.id, pipeline_id).id
    found = schedules.list_schedules(runtime, account.id, scope)
    taken = taken_this_month(runtime, account.id)
    after = [schedule for schedule in found if cursor is None or schedule.id > cursor]
    shown = after[:limit]
    next_cursor = shown[-1].id if len(after) > limit else None
    return {"items": [_item(schedule, taken) for schedule in shown], "next_cursor": next_cursor}


@router.post(
    "/pipelines/{pipeline_id}/schedules",
    status_code=201,
    response_model=None,
    responses=answers(201, ScheduleItem, 400, 409, 413, *REFUSED),
)
def create_schedule(
    pipeline_id: IdPath,
    account: ExecutorDep,
    key: ExecutingKeyDep,
    runtime: RuntimeDep,
    body: ScheduleRequest,
    once: OnceDep,
) -> dict[str, Any]:
    """Run a pipeline at times, with inputs that are saved with the schedule.

    Made with a capped API key it has that key's cap, or the lower one that is asked for, and counts for the key.
    """
    fields = _fields(body.model_dump())
    return _item(schedules.create_schedule(runtime, account, pipeline_id, key_id=key, **fields, once=once), {})


@router.get("/schedules/upcoming", response_model=None, responses=answers(200, Listing[UpcomingItem], 401, 403, 422))
def upcoming(
    account: ReaderDep, runtime: RuntimeDep, limit: LimitQuery = 20, cursor: CursorQuery = None
) -> dict[str, Any]:
    """What your schedules will start next, soonest first."""
    found = schedules.upcoming_runs(runtime, account.id, limit=limit + 1, after=_place(cursor))
    shown = found[:limit]
    return {
        "items": [
            {
                "at": iso_z(time),
                "schedule_id": schedule.id,
                "name": schedule.name,
                "pipeline_id": schedule.pipeline_id,
                "pipeline_name": schedule.pipeline_name,
            }
            for time, schedule in shown
        ],
        "next_cursor": f"{iso_z(shown[-1][0])}/{shown[-1][1].id}" if len(found) > limit else None,
    }


@router.put("/schedules/{schedule_id}", response_model=None, responses=answers(200, ScheduleItem, 400, 413, *CHANGED))
def update_schedule(
    schedule_id: IdPath, account: ExecutorDep, key: ExecutingKeyDep, runtime: RuntimeDep, body: ScheduleChange
) -> dict[str, Any]:
    """Change any of the fields. A capped API key changes no schedule that may spend more than itself: `KEY_CAP`."""
    changes = _fields(body.model_dump(exclude_unset=True))
    return _one(runtime, schedules.update_schedule(runtime, account, schedule_id, key_id=key, **changes), account)


@router.delete("/schedules/{schedule_id}", status_code=204, response_class=Response, responses=problems(*CHANGED))
def delete_schedule(schedule_id: IdPath, account: ExecutorDep, runtime: RuntimeDep) -> Response:
    """Forget a schedule. Runs that it started stay."""
    schedules.delete_schedule(runtime, account.id, schedule_id)
    return Response(status_code=204)


@router.post("/schedules/{schedule_id}/enable", response_model=None, responses=answers(200, ScheduleItem, *CHANGED))
def enable_schedule(
    schedule_id: IdPath, account: ExecutorDep, key: ExecutingKeyDep, runtime: RuntimeDep
) -> dict[str, Any]:
    """Switch it on: it is due at its next time from now."""
    changed = schedules.update_schedule(runtime, account, schedule_id, enabled=True, key_id=key)
    return _one(runtime, changed, account)


@router.post("/schedules/{schedule_id}/disable", response_model=None, responses=answers(200, ScheduleItem, *CHANGED))
def disable_schedule(
    schedule_id: IdPath, account: ExecutorDep, key: ExecutingKeyDep, runtime: RuntimeDep
) -> dict[str, Any]:
    """Let it rest."""
    changed = schedules.update_schedule(runtime, account, schedule_id, enabled=False, key_id=key)
    return _one(runtime, changed, account)


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    time, _, schedule_id = cursor.partition("/")
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidInput("INVALID_REQUEST", "cursor: Send the `next_cursor` of the page before.", field="cursor")
    return at, schedule_id


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a body as the commands call them."""
    cap = {"max_micros_per_month": cap_micros(body.pop(CAP))} if CAP in body else {}
    return body | cap


def _one(runtime: Runtime, schedule: ScheduleView, account: Account) -> dict[str, Any]:
    return _item(schedule, taken_this_month(runtime, account.id))


def _item(schedule: ScheduleView, taken: Mapping[str, int]) -> dict[str, Any]:
    credits = {CAP: shown_cap(schedule.max_micros_per_month), TAKEN: credits_number(taken.get(schedule.id, 0))}
    facts = {name: getattr(schedule, name) for name in ScheduleItem.model_fields if name not in credits}
    return {name: iso_z(value) if isinstance(value, datetime) else value for name, value in facts.items()} | credits
