"""Facts of operations: what was run, called and charged, in groups of at least five people. Pure.

A fact counts the rows of a day by words, and keeps of their times a coarse histogram. Words are those the catalogue of
events knows, so a fact is as anonymous as an event: there is no place for an id, a text or an exact time. A day of
facts is made anew from the database while it is young, and stays as it is when the rows it was made from are deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.analytics.catalogue import FIELDS, PLAN, STATUSES, Field

UNDER_WAY = "under_way"
KINDS = ("granted", "bought", "spent", "expired")
_OWN = (
    Field("status", "word", "how it ended, or that it has not", frozenset((*STATUSES, UNDER_WAY))),
    Field("kind", "word", "what became of credits", frozenset(KINDS)),
)
WORDS: Mapping[str, Field] = {
    **{name: FIELDS[name] for name in ("trigger", "funding", "step_type", "provider", "model", "error")},
    **{field.name: field for field in (PLAN, *_OWN)},
}
"""The words that facts are counted by."""

SUMS: Mapping[str, str] = {
    "runs": "how many runs",
    "steps": "how many tries of steps",
    "retries": "how many of them were not the first",
    "input_tokens": "tokens that models read",
    "output_tokens": "tokens that models wrote",
    "credit_micros": "credits, in millionths",
    "price_micro_cents": "what platform calls cost people, in millionths of a US cent",
    "vendor_micro_cents": "what the vendors of platform calls cost, in millionths of a US cent",
    "movements": "how many movements of the ledger",
}
TIMES: Mapping[str, str] = {
    "wait_ms": "from being asked to the start",
    "duration_ms": "from being asked to the end of a run; from start to end of a step",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation of facts. `kept`: words that no folding takes. `levels`: what else a group keeps, step by step."""

    name: str
    says: str
    words: tuple[str, ...]
    sums: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ((),)
    kept: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column in its order."""
        return ("day", "hour", *self.words, "people", *self.sums, *self.times)

    def described(self) -> dict[str, str]:
        """Every column with what it says, for people."""
        return {
            "day": "day on which it was asked for, in UTC",
            "hour": "the hour; empty where it would have told too much, as words are",
            **{name: WORDS[name].says for name in self.words},
            "people": "how many people stand behind the row, five at least; not to be added up",
            **{name: SUMS[name] for name in self.sums},
            **{
                name: f"{TIMES[name]}: a list of sizes in milliseconds, each with how many took that or less and more "
                "than the size before"
                for name in self.times
            },
        }


_STEP = ("step_type", "provider", "model", "status")
FACTS: Mapping[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact(
            "fact_runs",
            "Runs, by what started them and how they ended, with how long they waited and took.",
            ("plan", "trigger", "funding", "status", "error"),
            ("runs",),
            ("wait_ms", "duration_ms"),
            (
                ("hour", "plan", "trigger", "funding", "status", "error"),
                ("plan", "trigger", "funding", "status", "error"),
                ("plan", "trigger", "status"),
                ("plan", "status"),
                ("status",),
                (),
            ),
        ),
        Fact(
            "fact_steps",
            "Steps of those runs, by kind, model and vendor, with tokens, credits, cost and how long they took.",
            ("plan", "funding", "step_type", "provider", "model", "status", "error"),
            (
                "steps", "retries", "input_tokens", "output_tokens", "credit_micros", "price_micro_cents",
                "vendor_micro_cents",
            ),
            ("duration_ms",),
            (
                ("hour", "plan", "funding", *_STEP, "error"),
                ("plan", "funding", *_STEP, "error"),
                ("plan", *_STEP),
                _STEP,
                ("step_type", "provider", "model"),
                ("step_type", "provider"),
                ("step_type",),
                (),
            ),
        ),
        Fact(
            "fact_credits",
            "Credits granted, bought, spent and expired, by plan.",
            ("plan", "kind"),
            ("credit_micros", "movements"),
            (),
            (("plan",), ()),
            ("kind",),
        ),
        Fact(
            "fact_people",
            "How many people ran something, a day; a person is in one row of a day.",
            ("plan",),
            (),
            (),
            (("plan",), ()),
        ),
    )
}  # fmt: skip
