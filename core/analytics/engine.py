"""DuckDB as this project opens it: in memory, for our own statements over our own files, with bounded memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY = "512MB"
THREADS = 2


@contextmanager
def open_duckdb(spill: Path | None = None) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection of its own. `spill` is a folder for what does not fit into memory; without it, none."""
    connection = new_duckdb(spill)
    try:
        yield connection
    finally:
        connection.close()


def new_duckdb(spill: Path | None = None) -> "duckdb.DuckDBPyConnection":
    """The same, to be closed by who asks."""
    import duckdb  # 60 ms: only who asks pays

    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": str(spill) if spill is not None else "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,
        },
    )


def parquet(paths: Sequence[Path | str], *, alike: bool = False) -> str:
    """A relation over files, whose columns are matched by name; `alike`: they are known to have the same."""
    names = ", ".join(quoted(path) for path in paths)
    return f"read_parquet([{names}], union_by_name = {str(not alike).lower()}, hive_partitioning = false)"


def quoted(path: Path | str) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
