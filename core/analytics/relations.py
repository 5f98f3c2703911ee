"""The relations that admins may ask in SQL: what each says, its columns, and how it is loaded.

The rule of this register: no row of a relation is of fewer than five people, by the way it is made. So whichever way
questions are put, joined and subtracted, what comes out is of five people at least. A relation of which that is not
true does not belong here, whoever asks.
"""

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from core.analytics.catalogue import EVENTS, FIELDS, PLAN
from core.analytics.columns import TYPES
from core.analytics.facts import FACTS
from core.analytics.facts_folding import type_of
from core.analytics.facts_queries import open_fact, state_of_facts
from core.analytics.reading import SHOWN, open_events, state_of_events
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """A column: its name, its type in DuckDB's words, and what it says."""

    name: str
    type: str
    says: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that can be asked.

    `load` gives a DuckDB connection in which the relation stands under its name, of the days from the first to the last
    (both included). `state` changes when other rows are loaded than before. `day`: the DATE column of a row's day.
    """

    name: str
    says: str
    columns: tuple[RelationColumn, ...]
    load: "Callable[[Runtime, date, date], AbstractContextManager[duckdb.DuckDBPyConnection]]"
    state: Callable[[Runtime], Hashable]
    day: str = "day"


_EVENT_WORDS = {
    "event": f"kind of event: {', '.join(EVENTS)}",
    "hour": "hour, in UTC; empty where it would have told too much",
    "day": "day, in UTC",
    "plan": PLAN.says,
}


def _open_fact(
    runtime: Runtime, first: date, last: date, *, name: str
) -> "AbstractContextManager[duckdb.DuckDBPyConnection]":
    return open_fact(runtime, name, first, last)


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "events",
        "What was used, a row an event. What fewer than five people share loses its hour, its numbers and its words, "
        "step by step; what is rare even then is left out.",
        tuple(
            RelationColumn(name, TYPES[name], _EVENT_WORDS.get(name) or FIELDS[name].says)
            for name in sorted(SHOWN, key=lambda name: (name not in ("day", "hour", "event", "plan"),))
        ),
        open_events,
        state_of_events,
    ),
    *(
        Relation(
            fact.name,
            fact.says,
            tuple(RelationColumn(name, type_of(fact, name), says) for name, says in fact.described().items()),
            partial(_open_fact, name=fact.name),
            state_of_facts,
        )
        for fact in FACTS.values()
    ),
)
