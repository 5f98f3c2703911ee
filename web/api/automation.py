"""`user/automation`: one switch for everything that starts runs without a person. For people, never for keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from core.accounts.automation import automation_paused_at, pause_automation, resume_automation
from core.execution.automation import count_automatic_runs, stop_automatic_runs
from core.shared.clock import iso_z
from web.api.context import AccountDep, RuntimeDep
from web.api.schedule_payloads import AutomationAnswer, PauseRequest
from web.api.shapes import answers
from web.api.strict_json import StrictJsonRoute

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

router = APIRouter(route_class=StrictJsonRoute, tags=["automation"])


@router.get("/user/automation", response_model=None, responses=answers(200, AutomationAnswer, 401))
def get_automation(account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Whether your automation is paused, and how many runs that it started go on."""
    return _answer(runtime, account.id)


@router.post(
    "/user/automation/pause", response_model=None, responses=answers(200, AutomationAnswer, 400, 401, 413, 422)
)
def pause(account: AccountDep, runtime: RuntimeDep, body: PauseRequest | None = None) -> dict[str, Any]:
    """Let no schedule, API key or webhook start a run until you resume. What you start yourself still runs."""
    pause_automation(runtime, account.id)
    if body is not None and body.stop_runs:
        stop_automatic_runs(runtime, account.id)
    return _answer(runtime, account.id)


@router.post("/user/automation/resume", response_model=None, responses=answers(200, AutomationAnswer, 401))
def resume(account: AccountDep, runtime: RuntimeDep) -> dict[str, Any]:
    """Go on. Times that schedules missed meanwhile are left out or made up for, as each says."""
    resume_automation(runtime, account.id)
    return _answer(runtime, account.id)


def _answer(runtime: Runtime, owner_id: str) -> dict[str, Any]:
    since = automation_paused_at(runtime, owner_id)
    return {
        "automation_paused_at": iso_z(since) if since else None,
        "runs_under_way": count_automatic_runs(runtime, owner_id),
    }
