"""What goes in and out about pipelines, runs, files and models."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from web.api.shapes import ID, Inward, Number


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
    review_id: str | None = Field(
        None, max_length=64, description="Which, where items of a `map` ask the same; else the newest is meant."
    )


class EstimateRequest(Inward):
    """What a quote is made for."""

    input_data: dict[str, Any] = Field(default_factory=dict)


class RetryRequest(Inward):
    """Where a retry begins."""

    from_step: str | None = Field(
        None, min_length=1, max_length=200, description="A step id; the failed step when left out."
    )


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

    id: str
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


class ModelPrices(BaseModel):
    """US dollars a million tokens, our markup included."""

    input_usd_per_mtok: Number
    output_usd_per_mtok: Number
    cached_input_usd_per_mtok: Number
    cache_write_usd_per_mtok: Number
    source: str
    as_of: str


class ModelTerms(BaseModel):
    """What the provider does with prompts.

    `checked_at` is the date the terms were read, empty where nobody says. `in_eea` is null where the region does not
    tell; `safeguard` is what protects a transfer out of the European Economic Area (GDPR Art. 46), or empty.
    """

    training: str
    retention: str
    url: str
    checked_at: str
    safeguard: str
    in_eea: bool | None


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


class Health(BaseModel):
    """Whether it is up."""

    status: Literal["ok"]
    version: str


class Ready(Health):
    """Whether it can work."""

    impaired: list[str] = Field(default_factory=list, description="Parts that are not well; absent where all are.")
