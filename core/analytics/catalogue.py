"""The catalogue of events: every kind that is counted, its fields, and the values a field can take. Pure.

An event is anonymous by what it can hold. A field is a word out of a list or of a narrow form that only this program
writes, or a coarse number: there is no place for text of a person's. What is not declared here is refused when it is
written, left out when it is read, and makes the promise about measurements broken when it is found in the lake.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.analytics.coarse import SIZES, coarse
from core.shared.errors import InvalidInput

Kind = Literal["word", "number"]
Value = str | int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of events. `words`: all that it can be; otherwise `form`, an expression that the whole word matches."""

    name: str
    kind: Kind
    says: str
    words: frozenset[str] = frozenset()
    form: re.Pattern[str] = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")

    def clean(self, value: object) -> Value:
        """The value as it is kept. Raises InvalidInput for what the field cannot be."""
        if self.kind == "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self._refusal()
            return coarse(value)
        if not isinstance(value, str) or not (value in self.words if self.words else self.form.fullmatch(value)):
            raise self._refusal()
        return str(value)

    def holds(self, value: object) -> bool:
        """Whether a kept value is one that this field can be."""
        if self.kind == "number":
            return value in SIZES
        try:
            self.clean(value)
        except InvalidInput:
            return False
        return True

    def _refusal(self) -> InvalidInput:
        return InvalidInput("EVENT_FIELD", f"The field {self.name} of an event cannot be that.")


def _word(name: str, says: str, *words: str, form: str | None = None) -> Field:
    return Field(name, "word", says, frozenset(words), *((re.compile(form),) if form else ()))


def _number(name: str, says: str) -> Field:
    return Field(name, "number", says)


STAGES = ("signed_up", "first_pipeline", "first_run", "first_completed", "tenth_run")
"""The way from signing up to using it, in order."""
FEATURES = (
    "api_key.created",
    "file.uploaded",
    "own_key.saved",
    "pipeline.created",
    "review.decided",
    "run.cancelled",
    "run.retried",
    "schedule.created",
    "secret.saved",
    "version.restored",
    "version.saved",
)
STATUSES = ("completed", "failed", "cancelled", "skipped", "reused")
SURFACES = ("app", "api", "site", "run", "job")
DAY = r"\d{4}-\d{2}-\d{2}"

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        _word("page", "page of the app", form=r"[a-z][a-z-]{0,39}"),
        _word("feature", "what was used", *FEATURES),
        _word("status", "how it ended", *STATUSES),
        _word("trigger", "what started the run", "manual", "api", "cron", "webhook", "retry", "pipeline"),
        _word("funding", "who pays the vendor", "platform", "own_key", "free"),
        _word("step_type", "kind of step", form=r"[a-z_]{1,20}"),
        _word("provider", "provider of the model", form=r"[a-z0-9_-]{1,40}"),
        _word("model", "model, as its provider calls it", form=r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}"),
        _word("error", "code of the error", form=r"[A-Z][A-Z0-9_]{0,59}"),
        _word("surface", "where it happened", *SURFACES),
        _word("method", "method of the request", "GET", "POST", "PUT", "PATCH", "DELETE"),
        _word("route", "address of the API, without ids", form=r"/[a-zA-Z0-9_./{}-]{0,99}"),
        _word("answer", "class of the answer", "2xx", "3xx", "4xx", "5xx"),
        _word("stage", "step on the way to the tenth run", *STAGES),
        _word("cohort", "week in which accounts were made, by its Monday", form=DAY),
        _number("weeks", "weeks since then"),
        _number("days", "days since the account was made"),
        _number("duration_ms", "time it took, in milliseconds"),
        _number("steps", "how many steps"),
        _number("tokens", "how many tokens"),
        _number("millicredits", "credits, in thousandths"),
        _number("retries", "how often it was tried again"),
    )
}


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event: its name (what happened, past tense), what it says, and its fields."""

    name: str
    says: str
    fields: tuple[str, ...]


EVENTS: Mapping[str, EventType] = {
    kind.name: kind
    for kind in (
        EventType("page.viewed", "A page of the app was drawn after somebody went to it.", ("page", "duration_ms")),
        EventType("feature.used", "Something was used.", ("feature",)),
        EventType(
            "run.ended",
            "A run came to its end.",
            ("status", "trigger", "funding", "steps", "duration_ms", "millicredits", "error"),
        ),
        EventType(
            "step.ended",
            "A step of a run came to its end.",
            ("step_type", "provider", "model", "status", "duration_ms", "tokens", "retries", "error"),
        ),
        EventType("stage.reached", "Somebody came a step further.", ("stage", "days")),
        EventType("person.returned", "Somebody used the service, told once a week.", ("cohort", "weeks")),
        EventType("error.met", "Somebody was told of an error.", ("error", "surface")),
        EventType("api.answered", "The API answered a request.", ("method", "route", "answer", "duration_ms")),
    )
}

PLAN = Field("plan", "word", "plan of who did it", frozenset(("free", "starter", "pro", "enterprise")))
WORDS = ("plan", *(name for name, field in FIELDS.items() if field.kind == "word"))
NUMBERS = tuple(name for name, field in FIELDS.items() if field.kind == "number")
ABOUT = ("event", "hour", "visitor")
"""Columns of every event beside its fields. `visitor` is there while the day's salt is, and gone with it."""
COLUMNS = (*ABOUT, *WORDS, *NUMBERS)


def check_event(name: str, fields: Mapping[str, object]) -> dict[str, Value]:
    """The fields of an event as they are kept: those that are None are left out. Raises InvalidInput."""
    kind = EVENTS.get(name)
    if kind is None:
        raise InvalidInput("EVENT_UNKNOWN", f"There is no event {name[:40]!r}.")
    kept: dict[str, Value] = {}
    for field, value in fields.items():
        if field not in kind.fields:
            raise InvalidInput("EVENT_FIELD", f"{name} has no field {field[:40]!r}.")
        if value is not None:
            kept[field] = FIELDS[field].clean(value)
    return kept
