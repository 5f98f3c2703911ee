"""Asking the lake: one relation `events` over everything there is, of which no row is of fewer than five people.

Sealed days are read from their files as they are. Days that are open, and what still waits in the database, are folded
for the asking, so what happened a second ago is there at once. Visitors are in no relation that can be asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from core.analytics.columns import FROM_BATCHES, OPEN, SEALED, TYPES, schema_of
from core.analytics.engine import open_duckdb, parquet, quoted
from core.analytics.errors import file_missing
from core.analytics.folding import fold
from core.analytics.lake import Lake, LakeFile, lake_of, listed, state_of_files
from core.analytics.waiting import load_waiting, read_waiting, state_of_waiting
from core.platform.database import Database
from core.platform.runtime import Runtime

if TYPE_CHECKING:
    import duckdb
    import pyarrow

SHOWN = tuple(name for name in SEALED if name != "shown")
"""Columns of `events`. `hour` is empty where the hour would have told too much; `day` is always there."""
TRIES = 5

_folded: "WeakKeyDictionary[Database, tuple[tuple[object, ...], pyarrow.Table]]" = WeakKeyDictionary()
_files: "WeakKeyDictionary[Database, tuple[tuple[object, ...], list[LakeFile]]]" = WeakKeyDictionary()
_columns: dict[str, frozenset[str]] = {}
"""The columns of sealed files, by name: as many as there are days, and those that are gone are not asked for."""
_lock = Lock()


@contextmanager
def open_events(
    runtime: Runtime, first: date | None = None, last: date | None = None
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A DuckDB connection with the relation `events`, of the days from `first` to `last` (both included) or of all."""
    lake = lake_of(runtime)
    for left in reversed(range(TRIES)):
        with open_duckdb() as connection:
            try:
                files, open_rows = _now(runtime, lake)
                sealed = [file for file in files if file.sealed and _within(file.day, first, last)]
                _define(connection, lake, sealed, open_rows, first, last)
            except Exception as error:  # a file was replaced between the list and the look: look again
                if not isinstance(error, FileNotFoundError) and "No files found" not in str(error):
                    raise
                if not left:
                    raise file_missing(error) from None
                _files.pop(runtime.database, None)
                continue
            yield connection
            return


def _define(
    connection: "duckdb.DuckDBPyConnection",
    lake: Lake,
    sealed: list[LakeFile],
    open_rows: "pyarrow.Table",
    first: date | None,
    last: date | None,
) -> None:
    connection.register("open_days", open_rows)
    columns = ", ".join(SHOWN)
    parts = [f"SELECT {columns} FROM open_days WHERE shown"]
    for have, paths in _by_columns(connection, lake, sealed).items():
        known = ", ".join(name if name in have else f"CAST(NULL AS {TYPES[name]}) AS {name}" for name in SHOWN)
        parts.append(f"SELECT {known} FROM {parquet(paths, alike=True)} WHERE shown")
    bounds = [f"day >= DATE '{first.isoformat()}'"] if first else []
    bounds += [f"day <= DATE '{last.isoformat()}'"] if last else []
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    connection.execute(f"CREATE VIEW events AS SELECT * FROM ({' UNION ALL '.join(parts)}){where}")


def _by_columns(
    connection: "duckdb.DuckDBPyConnection", lake: Lake, sealed: list[LakeFile]
) -> dict[frozenset[str], list[str]]:
    """The files, together with those that have the same columns: so only one of them has to be opened to know.

    A sealed file never changes, so this process looks into each once.
    """
    paths = dict(zip([file.name for file in sealed], lake.paths(sealed), strict=True))
    new = [name for name in paths if name not in _columns]
    if new:
        listed = ", ".join(quoted(paths[name]) for name in new)
        found = connection.execute(
            f"SELECT file_name, list(name) FROM parquet_schema([{listed}]) GROUP BY ALL"
        ).fetchall()
        _columns.update({Path(place).stem: frozenset(names) for place, names in found})
    alike: dict[frozenset[str], list[str]] = {}
    for name, path in paths.items():
        alike.setdefault(_columns[name], []).append(path)
    return alike


def _now(runtime: Runtime, lake: Lake) -> tuple[list[LakeFile], "pyarrow.Table"]:
    """The files of the lake, and the rows of open days, folded; kept in memory until there are others."""
    with _lock:
        while True:
            with runtime.database.read() as session:
                files = _listed(runtime.database, session)
                waiting = state_of_waiting(session)
            lake.forget_gone(files)
            unsealed = [file for file in files if not file.sealed]
            state = (*(file.name for file in unsealed), *waiting)
            held = _folded.get(runtime.database)
            if held is not None and held[0] == state:
                return files, held[1]
            with runtime.database.read() as session:
                rows = read_waiting(session)
            with runtime.database.read() as session:
                if _listed(runtime.database, session) is not files or state_of_waiting(session) != waiting:
                    continue  # some moved while we read: they would be lost, or counted twice
            folded = _fold_open(lake, unsealed, rows)
            _folded[runtime.database] = (state, folded)
            return files, folded


def _listed(database: Database, session: Session) -> list[LakeFile]:
    """The files of the lake, kept in memory until they are others."""
    state = state_of_files(session)
    held = _files.get(database)
    if held is None or held[0] != state:
        held = _files[database] = (state, listed(session))
    return held[1]


def _fold_open(lake: Lake, unsealed: list[LakeFile], waiting: Sequence[str]) -> "pyarrow.Table":
    with open_duckdb() as connection, lake.reading():
        load_waiting(connection, waiting)
        parts = [schema_of(OPEN), FROM_BATCHES]
        if unsealed:
            names = ", ".join(f"'{name}'" for name in OPEN)
            parts.append(f"SELECT COLUMNS(lambda c: c IN ({names})) FROM {lake.relations(connection, unsealed)}")
        connection.execute(f"CREATE TEMP TABLE open_rows AS {' UNION ALL BY NAME '.join(parts)}")
        fold(connection, "open_rows")
        return connection.sql(f"SELECT {', '.join(SEALED)} FROM folded").to_arrow_table()


def state_of_events(runtime: Runtime) -> tuple[object, ...]:
    """What is another when there are other events than before: of files and of what waits."""
    with runtime.database.read() as session:
        return (*state_of_files(session), *state_of_waiting(session))


def _within(day: str, first: date | None, last: date | None) -> bool:
    return (first is None or day >= first.isoformat()) and (last is None or day <= last.isoformat())
