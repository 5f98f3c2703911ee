"""What the journal is told: a run as it was claimed, and what changes of it. Plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.credits.domain import Metered
from core.credits.prices import Rates
from core.execution.departures import Departure, Ended
from core.execution.domain import Selection
from core.pipelines.definition import Definition
from core.shared.errors import AppError
from core.shared.types import JsonValue


class LostLease(Exception):
    """Another process has claimed the run."""


class StepKey(NamedTuple):
    """A step in the journal: the frame it stands in, its id, and which time a loop came to it."""

    frame: str
    step_id: str
    visit: int


@dataclass(slots=True)
class Attempt:
    """The newest journalled attempt of a step. `notes` say where control went and what is tried next."""

    row_id: str
    attempt: int
    status: str
    held_micros: int
    retry_at: datetime | None
    output: JsonValue = None
    notes: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(slots=True)
class Claim:
    """A run in the hands of one process. `seq` numbers its events; `published` is the newest that is committed.

    `rates` are the prices it began with, whatever they are by now. `personal_data`: off, warn, mask or block.
    `spent_micros` is what the run was charged so far. `working_since` is when it was last taken up after a wait for a
    person (or at all), `worked_ms` how long it had been under way before. `automatic`: a key or a schedule started it;
    `cap_micros` is what it reserved of that one's cap, if there was one.
    """

    run_id: str
    owner_id: str
    pipeline_id: str | None
    plan: str
    fence: int
    seq: int
    cancelled: bool
    definition: Definition
    pipelines: dict[str, Definition]
    input_data: dict[str, JsonValue]
    funding: dict[str, str]
    selection: Selection
    attempts: dict[StepKey, Attempt]
    rates: Rates
    working_since: datetime
    worked_ms: int = 0
    spent_micros: int = 0
    budget_lifted: bool = False
    personal_data: str = "off"
    cap_micros: int | None = None
    automatic: bool = False
    published: int = 0
    trigger: str = "manual"
    begun: dict[str, tuple[datetime, StepStarted]] = field(default_factory=dict)
    """When attempts that are under way here began, by their row: for what is measured of them."""

    @property
    def secret_names(self) -> frozenset[str]:
        """The secrets that the run uses, those of the pipelines it calls included."""
        return self.definition.secret_names.union(*(each.secret_names for each in self.pipelines.values()))


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins. `resumed`: its row exists, from a process that died. `departure`: what leaves with it.

    `refusal`: why it may not, unless a stored output stands in for it.
    """

    key: StepKey
    row_id: str
    step_index: int
    type: str
    attempt: int
    model: str | None
    provider: str | None
    fingerprint: bytes | None
    held_micros: int
    reusable: bool
    resumed: bool
    content: dict[str, JsonValue]
    departure: Departure | None = None
    refusal: AppError | None = None


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended, well or badly. Without `started` its row was written by StepStarted."""

    key: StepKey
    row_id: str
    attempt: int
    status: str
    content: dict[str, JsonValue]
    error_code: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    held_micros: int = 0
    credit_micros: int = 0
    cost_micro_cents: int = 0
    price_version: str | None = None
    metered: Metered | None = None
    stop_reason: str | None = None
    retry_at: datetime | None = None
    started: StepStarted | None = None
    streamed: bool = True
    departed: Ended = ()


@dataclass(frozen=True, slots=True)
class StepWaits:
    """A step waits for a person: its row says so, and the question is kept."""

    started: StepStarted
    question: dict[str, JsonValue]
    on_timeout: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """Something worth telling about a step under way: a turn of an agent, how far a `map` is."""

    key: StepKey
    facts: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Departs:
    """One more thing is about to leave from a step under way."""

    key: StepKey
    departure: Departure


@dataclass(frozen=True, slots=True)
class RunParked:
    """Nothing can proceed: the run lets go of its process until a decision, or until `wake_at`.

    `waiting` counts the steps that wait for a person. `paused`: its budget is used up.
    """

    waiting: int
    wake_at: datetime | None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to send when the run has ended. `error`: it cannot be, and why."""

    target: str
    kind: str
    request: dict[str, JsonValue]
    error: AppError | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has ended."""

    status: str
    output: JsonValue = None
    error: dict[str, JsonValue] | None = None
    deliveries: tuple[Delivery, ...] = ()


Change = StepStarted | StepEnded | StepWaits | Progress | Departs | RunParked | RunEnded
Written = tuple[Claim, Sequence[Change]]
"""What one run has to record."""
Event = tuple[str, str | None, dict[str, JsonValue]]


@dataclass(slots=True)
class Applied:
    """What became of the starts: refused (for want of credits, or as nothing may be called for the person),
    or answered by a stored output.

    `decided`: a person decided while the run was being parked, so it goes on.
    """

    refused: dict[str, AppError] = field(default_factory=dict)
    reused: dict[str, tuple[JsonValue, dict[str, JsonValue]]] = field(default_factory=dict)
    decided: bool = False


def cause_of(run_id: str, key: StepKey, attempt: int) -> str:
    """The name of a call: its idempotency key at the vendor and its cause in the ledger."""
    visit = f"@{key.visit}" if key.visit > 1 else ""
    return f"{run_id}:{key.frame}{key.step_id}{visit}:{attempt}"
