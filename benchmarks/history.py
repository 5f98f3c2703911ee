"""A long history, in the time that the database itself needs: one run is sealed, the others are copies made by SQL.

Nothing that deletes ever opens a row, so a copy under another id is as good as one that was sealed for itself. Runs
are a second apart, so a moment between two of them divides the history.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.platform.runtime import Runtime
from tests.support.old_history import add_runs

STEPS, EVENTS = 2, 3
ROWS = 1 + STEPS + EVENTS
"""Of a run, with itself."""
AT_ONCE = 25_000
"""Runs in one transaction: the write-ahead log of SQLite is as long as the longest."""
KEYS = {"runs": "id", "step_runs": "run_id", "run_events": "run_id"}
SQLITE = {
    "numbers": "WITH RECURSIVE n(v) AS (SELECT :first UNION ALL SELECT v + 1 FROM n WHERE v < :last) ",
    "id": "printf('%08x-{0:04x}-7000-8000-000000000000', n.v)",
    "later": "strftime('%Y-%m-%d %H:%M:%f000', t.created_at, n.v || ' seconds')",
}
POSTGRES = {
    "numbers": "WITH n AS (SELECT generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS v) ",
    "id": "lpad(to_hex(n.v), 8, '0') || '-{0:04x}-7000-8000-000000000000'",
    "later": "t.created_at + n.v * interval '1 second'",
}


def fill(runtime: Runtime, owner_id: str, runs: int, *, at: datetime, tell: Callable[[str], None]) -> None:
    """Give a person so many runs, one a second from a moment on, each with two steps and three events."""
    (model,) = add_runs(runtime, owner_id, 1, at=at, steps=STEPS, events=EVENTS)
    for first in range(0, runs, AT_ONCE):  # the model is number 0
        with runtime.database.write() as session:
            _copy(session.connection(), model, max(first, 1), min(first + AT_ONCE, runs) - 1)
        tell(f"{min(first + AT_ONCE, runs):,} of {runs:,} runs written")
    if not runtime.database.is_sqlite:  # as it would have by itself after so many rows
        with runtime.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE runs, step_runs, run_events")


def moment(at: datetime, runs: int) -> datetime:
    """The moment that divides the first so many runs from the rest."""
    return at + timedelta(seconds=runs - 0.5)


def _copy(connection: Connection, model: str, first: int, last: int) -> None:
    send = SQLITE if connection.dialect.name == "sqlite" else POSTGRES
    copies = [("runs", 0), *(("step_runs", index) for index in range(STEPS)), ("run_events", 0)]
    for table, index in copies:
        key = KEYS[table]
        empty = connection.exec_driver_sql(f"SELECT * FROM {table} WHERE 1 = 0")
        made = {key: send["id"].format(0)}
        made |= {"created_at": send["later"]} if table == "runs" else {}
        made |= {"id": send["id"].format(index + 1)} if table == "step_runs" else {}
        names = list(empty.keys())
        columns = ", ".join(made.get(name, f"t.{name}") for name in names)
        of_model = f"t.{key} = :model" + (f" AND t.step_index = {index}" if table == "step_runs" else "")
        insert = f"INSERT INTO {table} ({', '.join(names)}) {send['numbers']}"
        source = f"SELECT {columns} FROM n CROSS JOIN {table} t WHERE {of_model} ORDER BY n.v"
        connection.execute(text(insert + source), {"model": model, "first": first, "last": last})
