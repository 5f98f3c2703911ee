"""Credits: plans, prices in micro-credits, and the rules of the ledger. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from core.accounts.plans import Plan
from core.credits.plan_words import Difference, differences, logs_go_at, logs_go_before
from core.shared.errors import LimitExceeded
from core.shared.money import format_credits
from core.shared.months import months_after

MARKUP = Decimal("1.25")
ALERT_PERCENTS = (50, 80, 100)
"""Shares of a month's credits at which the person is told."""
MICROSECOND = timedelta(microseconds=1)


class InsufficientCredits(LimitExceeded):
    """The next call cannot be held from what is left."""


def too_few_credits(what: str, needed: int, left: int) -> InsufficientCredits:
    """The refusal of a call that could cost more than there is, and what helps."""
    return InsufficientCredits(
        "INSUFFICIENT_CREDITS",
        f"{what} needs up to {format_credits(needed)} and {format_credits(left)} are left. Lower max_tokens, use the "
        "demo model or your own vendor key, wait for the next month’s credits, or choose a larger plan.",
    )


@dataclass(frozen=True, slots=True)
class Balance:
    """A person's credits, in micro-credits."""

    available_micros: int
    granted_micros: int
    began_micros: int
    """What there was when the month began, with what was given since: what is left, held and used of it."""
    held_micros: int
    spent_micros: int
    unlimited: bool


@dataclass(frozen=True, slots=True)
class Metered:
    """What a charge was for: a model as price books name it, on a plan, and the tokens of all its calls.

    Cached and cache-written tokens are parts of the input.
    """

    pipeline_id: str | None
    plan: str
    model: str
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class MovementView:
    """A movement of the ledger: micro-credits by account, which sum to zero."""

    id: str
    kind: str
    cause: str
    price_version: str | None
    amounts: dict[str, int]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Quote:
    """What a run may cost, in micro-credits: low, likely and the maximum; and each step's three."""

    low_micros: int
    likely_micros: int
    max_micros: int
    steps: dict[str, tuple[int, int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A plan that was announced: which one, from when, and what both allow."""

    plan: str
    at: datetime
    now: Plan
    then: Plan

    @property
    def logs_go_before(self) -> datetime | None:
        """At `logs_go_at` runs older than this are deleted; None where they are kept as long as now."""
        return logs_go_before(self.now, self.then, self.at)

    @property
    def logs_go_at(self) -> datetime:
        """When they are: some days after the change."""
        return logs_go_at(self.at)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All that changes, in words."""
        return differences(self.now, self.then)


@dataclass(frozen=True, slots=True)
class PlanStanding:
    """A person's plan, since when, and what was announced; None for nothing."""

    plan: str
    since: datetime
    planned: PlannedChange | None
    renews_at: datetime | None = None
    """When the next month of credits begins; None where nothing is counted, or before the first."""


def crossed_percent(before: int, after: int, granted: int) -> int | None:
    """The highest share of a month's credits that usage reached by going from `before` to `after`; None for none."""
    reached = (percent for percent in ALERT_PERCENTS if before * 100 < percent * granted <= after * 100)
    return max(reached, default=None)


def month_number(anchor: datetime, now: datetime) -> int:
    """How many months of credits began since the anchor, each on its day of the month."""
    months = (now.year - anchor.year) * 12 + now.month - anchor.month
    return max(0, months if now.date() >= month_start(anchor, max(0, months)).date() else months - 1)


def month_cause(owner_id: str, plan: str, number: int) -> str:
    """What a month's credits are granted for: the ledger's cause."""
    return f"plan:{owner_id}:{plan}:{number}"


def month_start(anchor: datetime, number: int) -> datetime:
    """The day (UTC) on which a month of credits begins; the last of the month where there is no such day."""
    return months_after(anchor.replace(hour=0, minute=0, second=0, microsecond=0), number)


def prorated(micros: int, start: datetime, end: datetime, now: datetime) -> int:
    """What is left at `now` of an amount for the time from `start` to `end`, in whole micro-credits, rounded down."""
    left = min(end - start, max(timedelta(), end - now))
    return micros * (left // MICROSECOND) // ((end - start) // MICROSECOND)
