"""Asking facts: each is a relation with its columns, whether it has days or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from core.analytics.engine import open_duckdb, parquet
from core.analytics.errors import file_missing
from core.analytics.facts import FACTS
from core.analytics.facts_folding import empty
from core.analytics.facts_store import facts_built, facts_of
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb

TRIES = 5


def define_fact(
    runtime: Runtime,
    connection: "duckdb.DuckDBPyConnection",
    name: str,
    first: date | None = None,
    last: date | None = None,
) -> None:
    """Make the view of a fact in a connection, of the days from `first` to `last` (both included) or of all."""
    files = _files(runtime, name, first, last)
    rows = empty(FACTS[name])
    if files:
        rows = f"{rows} UNION ALL BY NAME SELECT {', '.join(FACTS[name].columns)} FROM {parquet(files)}"
    connection.execute(f"CREATE VIEW {name} AS {rows}")


def _files(runtime: Runtime, name: str, first: date | None, last: date | None) -> list[Path]:
    for _ in range(TRIES):
        try:
            return facts_of(runtime).files(name, first, last)
        except FileNotFoundError:  # a day was made anew between the list and the look: look again
            continue
    raise file_missing()


@contextmanager
def open_fact(
    runtime: Runtime, name: str, first: date | None = None, last: date | None = None
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB connection with a fact under its name, as `open_events` gives one with events."""
    with open_duckdb() as connection:
        define_fact(runtime, connection, name, first, last)
        yield connection


def state_of_facts(runtime: Runtime) -> tuple[object, ...]:
    """What is another when facts were made since."""
    return (facts_built(runtime),)
