"""What goes in and out about runs that start by themselves: schedules, webhooks, the pause."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from web.api.shapes import Cap, Inward, Number


class WebhookAnswer(BaseModel):
    """A run that a webhook started."""

    accepted: bool
    run_id: str
    status: str
    pipeline_id: str


class ScheduleRequest(Inward):
    """A pipeline to be run at times."""

    name: str = Field(max_length=1_000)
    cron_expression: str = Field(max_length=1_000, description="Five fields, as cron(8) reads them.")
    timezone: str = Field("UTC", max_length=100, description="A name of the IANA time zone database.")
    input_data: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True
    missed: Literal["skip", "once", "all"] = Field(
        "skip", description="What becomes of times at which the installation was down."
    )
    max_credits_per_month: Cap = None


class ScheduleChange(Inward):
    """The fields of a schedule that change."""

    name: str | None = Field(None, max_length=1_000)
    cron_expression: str | None = Field(None, max_length=1_000)
    timezone: str | None = Field(None, max_length=100)
    input_data: dict[str, Any] | None = None
    enabled: bool | None = None
    missed: Literal["skip", "once", "all"] | None = None
    max_credits_per_month: Cap = None


class ScheduleItem(BaseModel):
    """A schedule. `paused_code` says why we stopped it, where we did.

    `from_definition`: it is written in its pipeline's definition, and changed there.
    `credits_this_month`: what its runs spent, or reserve while they go on.
    """

    id: str
    pipeline_id: str
    name: str
    cron_expression: str
    timezone: str
    input_data: dict[str, Any]
    missed: str
    enabled: bool
    paused_code: str | None
    next_at: datetime | None
    last_at: datetime | None
    last_run_id: str | None
    last_error_code: str | None
    from_definition: bool
    max_credits_per_month: Number | None
    credits_this_month: Number
    created_at: datetime
    updated_at: datetime


class PauseRequest(Inward):
    """How to pause."""

    stop_runs: bool = Field(False, description="Also cancel the runs under way that keys and schedules started.")


class AutomationAnswer(BaseModel):
    """The switch of schedules, API keys and webhooks; and how many runs that they started go on."""

    automation_paused_at: datetime | None
    runs_under_way: int


class UpcomingItem(BaseModel):
    """A run that a schedule will start."""

    at: datetime
    schedule_id: str
    name: str
    pipeline_id: str
    pipeline_name: str
