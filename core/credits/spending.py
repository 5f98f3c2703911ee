"""What credits went to: by day, by pipeline, by model; and what the next days will cost at this pace. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WINDOW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls of one day, pipeline and model together. Micro-credits; cached tokens are part of the input."""

    day: date
    pipeline_id: str | None
    model: str | None
    calls: int
    micros: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Share:
    """What went to one pipeline, or one model."""

    name: str | None
    calls: int
    micros: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next 30 days cost, in micro-credits, if they go on like the last `days`.

    `scheduled_micros` of it by schedules that are switched on, counted by their times and not by what they did before.
    """

    micros: int
    scheduled_micros: int
    days: int

    def days_left(self, available: int) -> int | None:
        """How many days what is left will last; None when nothing is used."""
        return None if self.micros <= 0 else available * WINDOW_DAYS // self.micros


def by_day(found: Iterable[Spent], first: date, last: date) -> tuple[tuple[date, int], ...]:
    """Micro-credits of each day, those without any included."""
    days = {first + timedelta(days=place): 0 for place in range((last - first).days + 1)}
    for each in found:
        if each.day in days:
            days[each.day] += each.micros
    return tuple(days.items())


def by_pipeline(found: Iterable[Spent]) -> tuple[Share, ...]:
    """What went to each pipeline, the dearest first."""
    return _shares(found, lambda each: each.pipeline_id)


def by_model(found: Iterable[Spent]) -> tuple[Share, ...]:
    """What went to each model, the dearest first."""
    return _shares(found, lambda each: each.model)


def forecast(
    spent: int, first_day: date | None, today: date, scheduled: Sequence[tuple[int, int, int]] = ()
) -> Forecast:
    """The next 30 days, from what the last 30 spent; by a shorter time where spending began later.

    `scheduled`, for each schedule that is switched on: micro-credits it spent of those, how often it will run in the
    next 30 days, and what one run costs.
    """
    days = WINDOW_DAYS if first_day is None else min(WINDOW_DAYS, (today - first_day).days + 1)
    by_hand = max(0, spent - sum(before for before, _, _ in scheduled))
    planned = sum(times * each for _, times, each in scheduled)
    return Forecast(by_hand * WINDOW_DAYS // days + planned, planned, days)


def _shares(found: Iterable[Spent], key: Callable[[Spent], str | None]) -> tuple[Share, ...]:
    sums: dict[str | None, list[int]] = {}
    for each in found:
        values = (each.calls, each.micros, each.input_tokens, each.cached_tokens, each.output_tokens)
        before = sums.setdefault(key(each), [0] * len(values))
        sums[key(each)] = [one + more for one, more in zip(before, values, strict=True)]
    shares = (Share(name, *values) for name, values in sums.items())
    return tuple(sorted(shares, key=lambda share: (-share.micros, share.name or "")))
