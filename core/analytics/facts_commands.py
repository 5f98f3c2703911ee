"""Making facts: the last days anew, the ones before once, and no more days than are kept."""

from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from core.analytics.commands import KEPT_MONTHS, months_before
from core.analytics.engine import open_duckdb, quoted
from core.analytics.facts import FACTS, Fact
from core.analytics.facts_folding import fold_fact
from core.analytics.facts_reading import has_enough, read_days
from core.analytics.facts_store import Built, FactFolder, facts_of
from core.analytics.lake import alone
from core.platform.logging import get_logger
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb

YOUNG_DAYS = 3
"""A day is made anew until it is so old: what was asked for late in it has ended, and what it cost is settled."""
FIRST_DAYS = 60
"""How far the first time goes back: the runs of every plan are kept for longer, so those days are whole."""
READ_DAYS = 7
"""Days that are read at once: what fits into memory, and is read within moments."""

log = get_logger("analytics")


def build_facts(runtime: Runtime) -> int:
    """Make the facts of the last days, and of those before that have none yet; answers how many days had some."""
    folder, done = facts_of(runtime), 0
    if not runtime.settings.analytics:
        return 0
    now = runtime.clock.now()
    today = now.date()
    with alone(folder.lake):
        folder.check()
        before = folder.built()
        first = before.frozen + timedelta(days=1) if before else today - timedelta(days=FIRST_DAYS)
        frozen = today - timedelta(days=YOUNG_DAYS)
        first = min(max(first, today - timedelta(days=FIRST_DAYS)), frozen + timedelta(days=1))
        while first <= today:
            last = min(first + timedelta(days=READ_DAYS - 1), today)
            done += _build_days(runtime, folder, first, last)
            first = last + timedelta(days=1)
        for name in FACTS:
            folder.cut(name, months_before(today, KEPT_MONTHS))
        folder.note(Built(now, max(frozen, before.frozen) if before else frozen))
    log.info("analytics.facts_built", days=done)
    return done


def _build_days(runtime: Runtime, folder: FactFolder, first: date, last: date) -> int:
    with runtime.database.connect() as database:
        enough = has_enough(database, first, last)
    if not enough:
        for day, name in product(_days(first, last), FACTS):
            folder.replace(name, day, None)
        return 0
    with open_duckdb() as connection:  # without a folder to spill into: rows of people are in memory only
        with runtime.database.connect() as database:
            read_days(database, connection, first, last)
        found = [write_folded(connection, folder, fact, first, last) for fact in FACTS.values()]
    return len(set().union(*found))


def write_folded(
    connection: "duckdb.DuckDBPyConnection", folder: FactFolder, fact: Fact, first: date, last: date
) -> set[date]:
    """Make the files of a fact out of `rows_of_<fact>`, for some days; answers the days that have one."""
    days: set[date] = set()
    if connection.execute(f"SELECT EXISTS (FROM rows_of_{fact.name})").fetchall()[0][0]:
        fold_fact(connection, fact, f"rows_of_{fact.name}")
        days = {day for (day,) in connection.execute("SELECT DISTINCT day FROM folded").fetchall()}
    for day in _days(first, last):
        folder.replace(fact.name, day, _write(connection, folder, fact, day) if day in days else None)
    return days


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _write(connection: "duckdb.DuckDBPyConnection", folder: FactFolder, fact: Fact, day: date) -> Path:
    path = folder.new_path()
    mine = f"SELECT * FROM folded WHERE day = DATE '{day.isoformat()}' ORDER BY {', '.join(('hour', *fact.words))}"
    connection.execute(f"COPY ({mine}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
    return path
