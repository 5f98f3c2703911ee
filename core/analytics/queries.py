"""What a chart shows: its SQL over the relation it is of, remembered for a moment, and as a file to take away."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from core.analytics.charts import Chart, chart_sql, find_chart
from core.analytics.errors import day_in
from core.analytics.facts import FACTS
from core.analytics.facts_queries import open_fact, state_of_facts
from core.analytics.reading import open_events, state_of_events
from core.platform.database import Database
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    import duckdb
    import pyarrow

FRESH_SECONDS = 30.0
"""So long a result is shown again without a look whether there is more: a page that is drawn again asks nothing."""
REMEMBERED = 200
LONGEST_WORD = 120

log = get_logger("analytics")

Key = tuple[str, date, date, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class ChartResult:
    """What a chart shows: the names of its columns, and its rows in their order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    table: "pyarrow.Table"

    def dicts(self) -> list[dict[str, Any]]:
        """The rows, each with the names of its columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def csv(self) -> bytes:
        """The rows as CSV, with a line of names."""
        from io import BytesIO

        from pyarrow import csv

        out = BytesIO()
        csv.write_csv(self.table, out)
        return out.getvalue()

    def parquet(self) -> bytes:
        """The rows as a Parquet file."""
        from io import BytesIO

        from pyarrow import parquet

        out = BytesIO()
        parquet.write_table(self.table, out)
        return out.getvalue()


@dataclass(slots=True)
class _Known:
    result: ChartResult
    state: object
    looked_at: float


_known: "WeakKeyDictionary[Database, OrderedDict[Key, _Known]]" = WeakKeyDictionary()
_lock = Lock()


def run_chart(
    runtime: Runtime, name: str, first: date, last: date, filters: Mapping[str, str] | None = None
) -> ChartResult:
    """What a chart shows of the days from `first` to `last`, both included, where each filter has its word.

    Filters that the chart does not have change nothing. Raises NotFound for a chart that is not there, and InvalidInput
    for days that are none or a word that can be none; Conflict where a file cannot be read.
    """
    chart = find_chart(name)
    if first > last:
        raise InvalidInput("CHART_DAYS", "The first day comes after the last. Choose other days.")
    chosen = {each: word for each, word in (filters or {}).items() if each in chart.filters and word}
    if any(len(word) > LONGEST_WORD for word in chosen.values()):
        raise InvalidInput("CHART_FILTER", "No filter has so long a word. Take it away and choose one of those shown.")
    key: Key = (name, first, last, tuple(sorted(chosen.items())))
    with _lock:
        known = _known.setdefault(runtime.database, OrderedDict()).get(key)
    if known is not None and monotonic() - known.looked_at < FRESH_SECONDS:
        return known.result
    state = state_of(runtime, chart)
    if known is not None and known.state == state:
        known.looked_at = monotonic()
        return known.result
    result = _run(runtime, chart, first, last, chosen)
    with _lock:
        kept = _known.setdefault(runtime.database, OrderedDict())
        kept[key] = _Known(result, state, monotonic())
        kept.move_to_end(key)
        while len(kept) > REMEMBERED:
            kept.popitem(last=False)
    return result


def forget_results(runtime: Runtime) -> None:
    """Look anew the next time a chart is asked for."""
    with _lock:
        _known.pop(runtime.database, None)


def days_before(first: date, last: date) -> tuple[date, date]:
    """As many days, right before those."""
    return first - (last - first) - timedelta(days=1), first - timedelta(days=1)


def state_of(runtime: Runtime, chart: Chart) -> object:
    """What is another when the chart may show something else."""
    if chart.relation in FACTS:
        return state_of_facts(runtime)
    return state_of_events(runtime)


def ask(
    connection: "duckdb.DuckDBPyConnection", chart: Chart, first: date, last: date, filters: Mapping[str, str]
) -> "pyarrow.Table":
    """The chart's SQL over the relations of a connection, with its parameters bound."""
    bound: dict[str, object] = {"first": first, "last": last}
    bound |= {name: filters.get(name) for name in chart.filters}
    return connection.sql(chart_sql(chart.name), params=bound).to_arrow_table()


def _run(runtime: Runtime, chart: Chart, first: date, last: date, filters: Mapping[str, str]) -> ChartResult:
    import duckdb

    try:
        return _read(runtime, chart, first, last, filters)
    except (duckdb.InvalidInputException, duckdb.IOException) as broken:
        raise _unreadable(chart, str(broken)) from None


def _unreadable(chart: Chart, said: str) -> Conflict:
    """A file is cut, altered or gone. DuckDB names it, and its folder the day."""
    day = day_in(said)
    log.error("analytics.unreadable", chart=chart.name, day=day)
    return Conflict(
        "LAKE_UNREADABLE",
        f"A file of {day or 'the lake'} cannot be read: it was altered, cut off or taken away. Nothing else is lost. "
        "Put it back from a backup of the lake, or choose days without it.",
    )


def _read(runtime: Runtime, chart: Chart, first: date, last: date, filters: Mapping[str, str]) -> ChartResult:
    if chart.relation in FACTS:
        with open_fact(runtime, chart.relation, first, last) as connection:
            table = ask(connection, chart, first, last, filters)
    else:
        with open_events(runtime, first, last) as connection:
            table = ask(connection, chart, first, last, filters)
    return ChartResult(tuple(table.column_names), _rows(table), table)


def _rows(table: "pyarrow.Table") -> tuple[tuple[Any, ...], ...]:
    columns: Sequence[list[Any]] = [column.to_pylist() for column in table.columns]
    return tuple(zip(*columns, strict=True))
