"""From the database to the lake, and what is done to the lake meanwhile: joined, sealed, cut, put right.

Everything here may be killed anywhere: see `lake`. The order of a day: its events wait in the database for ten minutes
at most, lie in files of the open day with the day's visitor ids, are folded and sealed when the salt of the day is
destroyed, and are deleted after 25 months.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from core.analytics.columns import FROM_BATCHES, OPEN, SEALED, schema_of
from core.analytics.engine import open_duckdb
from core.analytics.files import write_file
from core.analytics.folding import fold
from core.analytics.lake import Lake, LakeFile, alone, lake_of, listed, mend, settle, write_list
from core.analytics.progress import forget_progress
from core.analytics.salts import destroy_salts, is_open, open_days, over_days, visitor_ids
from core.analytics.waiting import delete_batches, delete_visitor, load_waiting, read_batches, waiting_batches
from core.platform.logging import get_logger
from core.platform.runtime import Runtime
from core.shared.errors import Conflict

if TYPE_CHECKING:
    import duckdb

CHUNK = 100_000
"""Events moved at once: what fits into a few tens of megabytes."""
ROWS_A_FILE = 500_000
FILES_A_DAY = 8
"""An open day with more files than that is joined into one."""
KEPT_MONTHS = 25
"""The CNIL's guideline for audience measurement without consent: data no longer than 25 months."""

log = get_logger("analytics")


def flush(runtime: Runtime) -> int:
    """Move what waits into the lake, and tend the lake; answers how many events were moved."""
    lake = lake_of(runtime)
    with alone(lake):
        try:
            mend(runtime, lake)
            moved = _move(runtime, lake)
            _seal(runtime, lake)
        finally:  # whatever becomes of the files, or of what they lie in: the promise about the salts is kept
            destroy_salts(runtime, over_days(runtime))
        _join(runtime, lake)
        _cut(runtime, lake)
    if moved:
        log.info("analytics.flushed", events=moved)
    return moved


def forget_visitor(runtime: Runtime, account_id: str) -> int:
    """Delete the events of a person that can still be told to be theirs; answers how many.

    Those are the events of the days whose salt exists; older ones are nobody's, and stay. How far they came is
    forgotten too. Call it once nothing more is written of them: they object, or leave.
    """
    lake, done = lake_of(runtime), 0
    with alone(lake):
        mend(runtime, lake)
        for day in open_days(runtime):
            visitor = visitor_ids(runtime.vault, day)(account_id)
            with runtime.database.write() as session:
                done += delete_visitor(session, visitor)
            done += _rewrite_without(runtime, lake, day, visitor)
    with runtime.database.write() as session:
        forget_progress(session, account_id)
    return done


def _move(runtime: Runtime, lake: Lake) -> int:
    moved = 0
    while True:
        with runtime.database.read() as session:
            batches = waiting_batches(session, CHUNK)
            waiting = read_batches(session, batches)
        if not batches:
            return moved
        events = sum(batches.values())
        with open_duckdb(lake.root) as connection:
            load_waiting(connection, waiting)
            connection.execute(f"CREATE TEMP TABLE moving AS {FROM_BATCHES}")
            made = [file for day in _days(connection) if (file := _write_day(runtime, connection, lake, day))]
        for file in made:
            lake.bring(file)
        with runtime.database.write() as session:
            if delete_batches(session, batches) != events:
                raise Conflict("LAKE_CHANGED", "Events were deleted meanwhile. Nothing was lost; the next run goes on.")
            write_list(runtime, session, lake, made, ())
        settle(runtime, lake, made, ())
        moved += events


def _days(connection: "duckdb.DuckDBPyConnection") -> list[str]:
    found = connection.execute("SELECT DISTINCT strftime(hour, '%Y-%m-%d') FROM moving ORDER BY 1").fetchall()
    return [day for (day,) in found]


def _write_day(runtime: Runtime, connection: "duckdb.DuckDBPyConnection", lake: Lake, day: str) -> LakeFile | None:
    mine = f"SELECT {', '.join(OPEN)} FROM moving WHERE strftime(hour, '%Y-%m-%d') = '{day}'"
    if is_open(runtime.vault, day):
        return write_file(connection, lake, day, mine, sealed=False)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE late AS {mine}")
    return _write_folded(connection, lake, day, "late")


def _write_folded(connection: "duckdb.DuckDBPyConnection", lake: Lake, day: str, table: str) -> LakeFile | None:
    fold(connection, table)
    return write_file(connection, lake, day, f"SELECT {', '.join(SEALED)} FROM folded", sealed=True)


def _seal(runtime: Runtime, lake: Lake) -> None:
    """Fold the days whose salt is due or gone, and take the visitors out of their files."""
    over = set(over_days(runtime))
    by_day = _unsealed(runtime)
    for day, files in by_day.items():
        if day in over or not is_open(runtime.vault, day):
            _replace(runtime, lake, files, lambda connection, rows, day=day: _fold_rows(connection, lake, day, rows))  # type: ignore[misc]
            log.info("analytics.sealed", day=day, events=sum(file.rows for file in files))


def _fold_rows(connection: "duckdb.DuckDBPyConnection", lake: Lake, day: str, rows: str) -> LakeFile | None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE sealing AS {rows}")
    return _write_folded(connection, lake, day, "sealing")


def _join(runtime: Runtime, lake: Lake) -> None:
    """Make one file of the many that an open day has gathered."""
    for day, files in _unsealed(runtime).items():
        small = [file for file in files if file.rows < ROWS_A_FILE]
        if len(small) > FILES_A_DAY:
            _replace(
                runtime, lake, small,
                lambda connection, rows, day=day: write_file(connection, lake, day, rows, sealed=False),  # type: ignore[misc]
            )  # fmt: skip


def _rewrite_without(runtime: Runtime, lake: Lake, day: str, visitor: str) -> int:
    done = 0
    for file in _unsealed(runtime).get(day, []):
        with open_duckdb(lake.root) as connection, lake.reading():
            mine = f"SELECT count(*) FROM {lake.relation(connection, file)} WHERE visitor = ?"
            found = connection.execute(mine, [visitor]).fetchone()
        if found is None or not found[0]:
            continue
        _replace(
            runtime, lake, [file],
            lambda connection, rows: write_file(
                connection, lake, day, f"SELECT * FROM ({rows}) WHERE visitor IS DISTINCT FROM '{visitor}'",
                sealed=False,
            ),
        )  # fmt: skip
        done += found[0]
    return done


def _replace(
    runtime: Runtime,
    lake: Lake,
    files: Sequence[LakeFile],
    write: "Callable[[duckdb.DuckDBPyConnection, str], LakeFile | None]",
) -> None:
    """Put one new file in the place of several; `write` makes it out of the relation of their rows."""
    with open_duckdb(lake.root) as connection, lake.reading():
        columns, known = ", ".join(OPEN), ", ".join(f"'{name}'" for name in OPEN)
        rows = f"SELECT COLUMNS(lambda c: c IN ({known})) FROM {lake.relations(connection, files)}"
        rows = f"{schema_of(OPEN)} UNION ALL BY NAME {rows}"
        new = write(connection, f"SELECT {columns} FROM ({rows})")
    made = [new] if new is not None else []
    for file in made:
        lake.bring(file)
    with runtime.database.write() as session:
        write_list(runtime, session, lake, made, files)
    settle(runtime, lake, made, files)


def _unsealed(runtime: Runtime) -> dict[str, list[LakeFile]]:
    by_day: dict[str, list[LakeFile]] = {}
    with runtime.database.read() as session:
        for file in listed(session):
            if not file.sealed:
                by_day.setdefault(file.day, []).append(file)
    return by_day


def _cut(runtime: Runtime, lake: Lake) -> int:
    """Delete the days that are older than they are kept."""
    first = months_before(runtime.clock.now().date(), KEPT_MONTHS).isoformat()
    with runtime.database.read() as session:
        old = [file for file in listed(session) if file.day < first]
    if old:
        with runtime.database.write() as session:
            write_list(runtime, session, lake, (), old)
        settle(runtime, lake, (), old)
    return len(old)


def months_before(day: date, months: int) -> date:
    """The first day of the month so many months before: a month is kept whole, or not at all."""
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, 1)
