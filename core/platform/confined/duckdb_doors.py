"""DuckDB with its doors shut: the settings after which a query can reach nothing but what was put before it.

The order matters: what is to be read is opened first, then the database is shut off, then its settings are locked, and
only then a query is read. Sources: https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview and
`duckdb_settings()` of 2.0. The memory limit is not enough by itself (one call of `repeat` passes it), nor is the time
limit (one call of a function is not interrupted): the limits of the process around it are what holds.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import duckdb

CONFIG: dict[str, Any] = {"threads": 1, "async_threads": 0, "allow_persistent_secrets": False}
"""What a database is made with: no thread beside ours, nothing of a home folder."""
SHUT_OFF = (
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET memory_limit = '{memory_mb}MiB'",
    "SET threads = 1",
    "SET max_execution_time = {milliseconds}",
    "SET lock_configuration = true",
)
WARM_VALUES = (
    "now()",
    "DATE '2000-01-01'",
    "TIME '12:00'",
    "INTERVAL 1 DAY",
    "1.5::DECIMAL(4, 2)",
    "uuid()",
    "{'a': [1]}",
)

# Kept in memory: when the first time with a zone is read, no file can be opened any more.
UTC = ZoneInfo("UTC")


def warm(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the modules of all types of values, while files can still be opened."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SELECT {', '.join(WARM_VALUES)}").fetchall()


def shut(connection: duckdb.DuckDBPyConnection, *, memory_mb: int, seconds: float) -> None:
    """Shut a database off and lock its settings."""
    for setting in SHUT_OFF:
        connection.execute(setting.format(memory_mb=memory_mb, milliseconds=int(seconds * 1000)))


def distinct(names: list[str]) -> list[str]:
    """The names of columns, the second of two that are the same with a number."""
    taken: set[str] = set()
    for at, name in enumerate(names):
        chosen, number = name, 1
        while chosen in taken:
            chosen = f"{name}_{number}"
            number += 1
        taken.add(chosen)
        names[at] = chosen
    return names
