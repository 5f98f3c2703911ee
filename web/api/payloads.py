"""The shapes that go in and out. Those that go out describe the answers in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from core.accounts.automation import LARGEST_CAP
from core.accounts.domain import SCOPES
from core.shared.money import credits_number

Item = TypeVar("Item")
Number = int | float
ID = r"^[A-Za-z0-9_-]{1,64}$"
Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The documented errors of a route."""
    return {status: {"model": Problem} for status in statuses}


def answers(status: int, model: Any, *refused: int) -> Responses:
    """The documented responses of a route: its answer, and the statuses of its errors."""
    found: Responses = {status: {"model": model}}
    return found | problems(*refused)


def file_answer(media: dict[str, Any], *refused: int) -> Responses:
    """The documented responses of a route that answers another type than JSON: media types, and what each holds."""
    found: Responses = {200: {"content": media}}
    return found | problems(*refused)


class Inward(BaseModel):
    """A body: a field that would do nothing is refused, and nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Credentials(Inward):
    """Address and password."""

    email: str = Field(min_length=1, max_length=320)
    password: str = Field(min_length=1, max_length=1000)
    code: str | None = Field(None, max_length=40, description="Of the second factor, where it is on.")


class AddressRequest(Inward):
    """An e-mail address."""

    email: str = Field(min_length=1, max_length=320)


class Registration(Inward):
    """An account to make."""

    email: str = Field(min_length=1, max_length=320)
    password: str = Field(max_length=1000, description="8 characters to 72 bytes, and none of the first guesses.")
    name: str | None = Field(None, max_length=200)
    code: str = Field(max_length=40, description="The six digits that were mailed.")
    invitation: str | None = Field(None, max_length=200, description="The token of an invitation's link.")


class PasswordReset(Inward):
    """A new password, and the token of the link that was mailed."""

    token: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class PasswordChange(Inward):
    """A new password, and the present one."""

    current_password: str = Field(max_length=1000)
    password: str = Field(max_length=1000)


class ProfileChange(Inward):
    """What of a person is to change."""

    name: str | None = Field(None, max_length=200, description="Empty takes the name away.")
    language: Literal["en", "fr"] | None = None
    confirm_above_credits: float | None = Field(
        None, ge=0, le=1_000_000, description="A run whose quoted maximum is above this asks first, in the app."
    )


class RunRequest(Inward):
    """What a run works on."""

    input_data: dict[str, Any] = Field(default_factory=dict, description="Values of the declared inputs.")
    version: int | None = Field(None, ge=1, description="A saved version; the newest when left out.")
    from_run: str | None = Field(
        None, pattern=ID, description="Reuse what an earlier run of yours did, wherever it still holds."
    )
    from_step: str | None = Field(
        None, min_length=1, max_length=200, description="With `from_run`: execute from this step on."
    )


class ReviewRequest(Inward):
    """An answer to a review."""

    decision: Literal["approve", "reject"]
    output: Any = Field(None, description="Replaces what was shown, where the step is `editable`.")
    comment: str = Field("", max_length=5000)


class EstimateRequest(Inward):
    """What a quote is made for."""

    input_data: dict[str, Any] = Field(default_factory=dict)


class RetryRequest(Inward):
    """Where a retry begins."""

    from_step: str | None = Field(
        None, min_length=1, max_length=200, description="A step id; the failed step when left out."
    )


class SecretRequest(Inward):
    """A secret to keep."""

    name: str = Field(description="1 to 100 letters, digits and `_`, not beginning with a digit.")
    value: str = Field(
        json_schema_extra={"writeOnly": True, "format": "password"},
        description="4 characters to 16 KB. Never given back.",
    )


class Problem(BaseModel):
    """Every error."""

    error: str
    code: str
    details: list[dict[str, Any]] | None = None


class User(BaseModel):
    """A person."""

    id: str
    email: str
    name: str
    plan: str
    roles: list[str]
    language: Literal["en", "fr"]
    confirm_above_credits: Number
    second_factor: bool
    created_at: datetime


class CodeSent(BaseModel):
    """A code is on its way."""

    sent: Literal[True]
    expires_in_seconds: int


class Accepted(BaseModel):
    """Whatever there was to do is done."""

    accepted: Literal[True]


class Token(BaseModel):
    """A token of a session."""

    token: str


class SignInItem(BaseModel):
    """A place where a person is signed in."""

    id: str
    device: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class LedgerItem(BaseModel):
    """A movement of credits between the accounts available, held, spent and granted."""

    id: str
    kind: str
    cause: str
    price_version: str | None
    amounts: dict[str, Number]
    created_at: datetime


class SignedInUser(BaseModel):
    """A person and the token of their new session."""

    user: User
    token: str


class UsageAnswer(BaseModel):
    """What a person used. `credits_remaining` is null where the plan has no limit."""

    credits_used: Number
    credits_remaining: Number | None
    runs_today: int
    total_cost_cents: Number


class PipelineAnswer(BaseModel):
    """A pipeline with its newest version."""

    id: str
    name: str
    description: str
    version: int
    status: str
    tags: list[str]
    definition: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class PipelineItem(BaseModel):
    """A pipeline in a list."""

    id: str
    name: str
    description: str
    version: int
    status: str
    tags: list[str]
    created_at: datetime
    updated_at: datetime


class VersionAnswer(BaseModel):
    """A saved version."""

    pipeline_id: str
    version: int
    definition: dict[str, Any]
    created_at: datetime


class VersionItem(BaseModel):
    """A saved version in a list."""

    pipeline_id: str
    version: int
    created_at: datetime


class Finding(BaseModel):
    """Something wrong with a definition, and where."""

    path: str
    line: int | None
    column: int | None
    code: str
    message: str


class Validation(BaseModel):
    """What the check of a definition found."""

    valid: bool
    errors: list[Finding]
    warnings: list[Finding]


class Span(BaseModel):
    """Credits a run or a step may cost."""

    low: Number
    likely: Number
    max: Number


class Estimate(Span):
    """A quote, with each step's."""

    steps: dict[str, Span]


class StepAnswer(BaseModel):
    """A step of a run."""

    step_id: str
    step_index: int
    type: str
    model: str | None
    provider: str | None
    status: Literal["pending", "running", "waiting", "completed", "failed", "skipped", "reused"]
    prompt_sent: str | None
    raw_output: str | None
    parsed_output: Any
    input_tokens: int | None
    output_tokens: int | None
    cost_cents: Number | None
    credits: Number | None
    duration_ms: Number | None
    retry_count: int
    stop_reason: str | None
    error: dict[str, Any] | None
    started_at: datetime | None
    completed_at: datetime | None


class RunAnswer(BaseModel):
    """A run with its steps."""

    id: str
    pipeline_id: str | None
    pipeline_version: int | None
    trigger_type: str
    status: Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
    funding_mode: Literal["platform", "own_key", "free"]
    input_data: dict[str, Any]
    output_data: Any
    error: dict[str, Any] | None
    total_tokens: int
    total_cost_cents: Number
    credits_quoted: Span
    credits_deducted: Number
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    steps: list[StepAnswer]


class ReviewAnswer(BaseModel):
    """A question to a person, and the answer where there is one."""

    run_id: str
    step_id: str
    pipeline_name: str
    status: Literal["open", "decided", "closed"]
    message: str
    output: Any
    editable: bool
    on_timeout: Literal["approve", "reject"]
    due_at: datetime
    created_at: datetime
    decision: Literal["approve", "reject"] | None
    decided_output: Any
    comment: str
    decided_by: str | None
    decided_at: datetime | None


class RunItem(BaseModel):
    """A run in a list."""

    id: str
    pipeline_id: str | None
    pipeline_name: str
    pipeline_version: int | None
    status: str
    trigger_type: str
    credits_deducted: Number
    duration_ms: Number | None
    started_at: datetime | None
    created_at: datetime


class FileAnswer(BaseModel):
    """A stored file."""

    id: str
    name: str
    kind: Literal["csv", "json", "parquet", "text", "pdf", "image"]
    media_type: str
    size: int
    created_at: datetime


class SecretItem(BaseModel):
    """A secret without its value. `pipeline_id` is null where it is for all pipelines."""

    name: str
    pipeline_id: str | None
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None


Cap = Annotated[
    float | None,
    Field(ge=0, le=LARGEST_CAP, allow_inf_nan=False, description="Credits a calendar month (UTC); null: no cap."),
]


class ApiKeyRequest(Inward):
    """A key to be made."""

    name: str = Field(max_length=1_000)
    scopes: list[str] = Field(max_length=20, description=f"Any of {', '.join(SCOPES)}.")
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    max_credits_per_month: Cap = None


class ApiKeyChange(Inward):
    """What of a key can change."""

    max_credits_per_month: Cap


class ApiKeyItem(BaseModel):
    """An API key by its first characters. `credits_this_month`: what its runs spent, or reserve while they go on."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    max_credits_per_month: Number | None
    credits_this_month: Number


class NewApiKeyAnswer(ApiKeyItem):
    """A key that was made just now."""

    key: str


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


def shown_cap(micros: int | None) -> Number | None:
    """A cap as it goes out: credits, or null."""
    return None if micros is None else credits_number(micros)


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


class ModelPrices(BaseModel):
    """US dollars a million tokens, our markup included."""

    input_usd_per_mtok: Number
    output_usd_per_mtok: Number
    cached_input_usd_per_mtok: Number
    cache_write_usd_per_mtok: Number
    source: str
    as_of: str


class ModelTerms(BaseModel):
    """What the provider does with prompts."""

    training: str
    retention: str
    url: str
    checked_at: str


class ModelAnswer(BaseModel):
    """A model that steps can name. `vision`: it looks at images. `tools`: agents can use it with tools.

    `prices` is null where none is known: then only with your own key.
    """

    id: str
    provider: str
    prices: ModelPrices | None
    free: bool
    available: bool
    context_tokens: int | None
    max_output_tokens: int | None
    json_output: bool = Field(alias="json")
    vision: bool
    tools: bool
    region: str
    data_terms: ModelTerms


class Listing(BaseModel, Generic[Item]):
    """A page of a list; ask again with `cursor=next_cursor` while it is not null."""

    items: list[Item]
    next_cursor: str | None


class Health(BaseModel):
    """Whether it is up."""

    status: Literal["ok"]
    version: str
