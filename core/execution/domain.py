"""Runs and steps as everybody above sees them, and the pure rules about their states."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from core.credits.domain import Quote
from core.pipelines.definition import Definition
from core.pipelines.parsing import Issue
from core.shared.types import JsonValue

RunStatus = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
Decision = Literal["approve", "reject"]
Mode = Literal["all", "stale", "cell", "from_here"]

ACTIVE: tuple[str, ...] = ("pending", "running", "waiting")
ADVANCING: tuple[str, ...] = ("pending", "running")
FINAL: tuple[str, ...] = ("completed", "failed", "cancelled")
WITH_OUTPUT: tuple[str, ...] = ("completed", "reused")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which steps a run executes. `steps` None: all. Of those in `reusable` a stored output may stand in.

    `source`: only outputs of this run may.
    """

    steps: frozenset[str] | None = None
    reusable: frozenset[str] = frozenset()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of a step, for its history."""

    attempt: int
    status: str
    error: dict[str, JsonValue] | None
    duration_ms: int | None
    started_at: datetime
    completed_at: datetime | None = None
    prompt_sent: str | None = None
    raw_output: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    credit_micros: int = 0
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class StepRunView:
    """A step of a run: its newest attempt.

    `reason` says why it was skipped; `saved_micros` what a reused output had cost; `depth` how deep it is nested.
    """

    step_id: str
    step_index: int
    type: str
    model: str | None
    provider: str | None
    status: str
    prompt_sent: str | None = None
    raw_output: str | None = None
    parsed_output: JsonValue = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_cents: int = 0
    credit_micros: int = 0
    duration_ms: int | None = None
    retry_count: int = 0
    stop_reason: str | None = None
    error: dict[str, JsonValue] | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    attempts: tuple[AttemptView, ...] = ()
    reason: str | None = None
    saved_micros: int = 0
    depth: int = 0
    trace: tuple[JsonValue, ...] = ()
    personal_data: Mapping[str, int] = field(default_factory=dict)
    """How much of each kind was found in what the newest attempt sent."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """What was sent in place of values, with what each stands for."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its steps, as in the public API. `over_budget`: it waits because its budget is used up."""

    id: str
    owner_id: str
    pipeline_id: str | None
    pipeline_name: str
    pipeline_version: int | None
    trigger_type: str
    status: str
    funding_mode: str
    definition: dict[str, JsonValue]
    input_data: dict[str, JsonValue]
    output_data: JsonValue
    error: dict[str, JsonValue] | None
    quote: Quote
    steps: tuple[StepRunView, ...]
    started_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    cancel_requested_at: datetime | None = None
    over_budget: bool = False
    personal_data: str = "off"
    """What became of personal data in what its models were sent: off, warn, mask or block."""

    @property
    def total_tokens(self) -> int:
        """Tokens in and out of every step."""
        return sum(step.input_tokens + step.output_tokens for step in self.steps)

    @property
    def credit_micros(self) -> int:
        """Micro-credits charged."""
        return sum(step.credit_micros for step in self.steps)

    @property
    def reused(self) -> tuple[int, int]:
        """How many outputs were reused, and the micro-credits they had cost."""
        again = [step for step in self.steps if step.status == "reused"]
        return len(again), sum(step.saved_micros for step in again)

    @property
    def cost_micro_cents(self) -> int:
        """Millionths of a US cent after the markup."""
        return sum(step.cost_micro_cents for step in self.steps)

    @property
    def duration_ms(self) -> int | None:
        """From the first start to the end; None while it has not ended."""
        return milliseconds(self.started_at, self.completed_at)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in a list."""

    id: str
    pipeline_id: str | None
    pipeline_name: str
    pipeline_version: int | None
    status: str
    trigger_type: str
    started_at: datetime | None
    created_at: datetime
    duration_ms: int | None
    credits_micros: int
    quote_max_micros: int = 0


@dataclass(frozen=True, slots=True)
class BulkRetry:
    """What became of several retries: the new runs, and for each refused one its id and the reason."""

    started: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A question to a person, and the answer where there is one. `decided_by`: an account id, `timeout` or `link`."""

    id: str
    run_id: str
    step_id: str
    pipeline_name: str
    status: str
    message: str
    output: JsonValue
    editable: bool
    on_timeout: str
    due_at: datetime
    created_at: datetime
    decision: Decision | None = None
    decided_output: JsonValue = None
    comment: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Starter:
    """What started a run where no person did."""

    kind: Literal["api_key", "schedule"]
    id: str


Missed = Literal["skip", "once", "all"]


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A pipeline that is run at times. `paused_code` says why it rests, where we stopped it."""

    id: str
    pipeline_id: str
    pipeline_name: str
    name: str
    cron_expression: str
    timezone: str
    input_data: dict[str, JsonValue]
    missed: Missed
    enabled: bool
    paused_code: str | None
    next_at: datetime | None
    last_at: datetime | None
    last_run_id: str | None
    last_error_code: str | None
    created_at: datetime
    updated_at: datetime
    max_micros_per_month: int | None = None
    pipeline_archived: bool = False
    """It rests as long as its pipeline does."""

    @property
    def from_definition(self) -> bool:
        """Whether it is written in its pipeline's definition, and changed there: it has its pipeline's id then."""
        return self.id == self.pipeline_id


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a run. Kinds: run_status, step_status, token, trace_event."""

    seq: int
    kind: str
    step_id: str | None
    data: dict[str, JsonValue]
    at: datetime


@dataclass(frozen=True, slots=True)
class MapProgress:
    """How far a `map` is."""

    done: int
    count: int
    failed: int


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell of the notebook: what its step would do now, and what is stored of it."""

    step_id: str
    state: str
    reason: str | None
    step_run: StepRunView | None
    quote: tuple[int, int, int]
    live_text: str | None = None
    progress: MapProgress | None = None


@dataclass(frozen=True, slots=True)
class NotebookView:
    """The notebook of a pipeline's text and input. `inner`: the cells inside `parallel` ones."""

    definition: Definition | None
    errors: tuple[Issue, ...]
    warnings: tuple[Issue, ...]
    cells: tuple[CellView, ...]
    quote: Quote
    last_run: RunSummary | None
    active_run_id: str | None
    stale_count: int = 0
    stale_quote: Quote = field(default_factory=lambda: Quote(0, 0, 0))
    inner: tuple[CellView, ...] = ()


class Dispatcher(Protocol):
    """Who advances runs. `submit` and `cancel` return at once."""

    def enqueue(self, session: Any, run_id: str, at: datetime | None = None) -> None:
        """Say in the caller's transaction that a run can go on, now or at a time."""

    def submit(self, run_id: str) -> None: ...

    def cancel(self, run_id: str) -> None: ...

    def newest_event(self, run_id: str) -> int | None:
        """The newest committed event of a run that this process advances; None: only the database knows."""

    def listen(self, run_id: str, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Inside the block, `wake` is called (from any thread) after each change of what `newest_event` says."""

    def tell(self, run_id: str) -> None:
        """Wake those who listen: an event of the run was committed, or the run left this process."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    """Whole milliseconds between two moments, None when one is missing; 0 where two clocks disagree."""
    return None if start is None or end is None else max(int((end - start).total_seconds() * 1000), 0)


def backoff_ms(base_ms: int, attempt: int, retry_after: float | None) -> int:
    """Milliseconds before the next attempt: the base doubled each time, at least what the vendor asked for."""
    return max(int(base_ms * 2 ** (attempt - 1)), int((retry_after or 0) * 1000))
