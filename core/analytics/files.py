"""Writing files of the lake: made whole in a folder beside, and on the disk before they are listed."""

from typing import TYPE_CHECKING
from uuid import uuid4

from core.analytics.engine import quoted
from core.analytics.lake import Lake, LakeFile, keep_safe

if TYPE_CHECKING:
    import duckdb

_OPTIONS = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"


def write_file(
    connection: "duckdb.DuckDBPyConnection", lake: Lake, day: str, query: str, *, sealed: bool
) -> LakeFile | None:
    """Write what a query answers as a file of a day; None when it answers nothing.

    Rows are mixed within an hour: their order would tell what came after what.
    """
    name = uuid4().hex
    path = lake.new_path(name)
    ordered = f"SELECT * FROM ({query}) ORDER BY event, hour, random()"
    written = connection.execute(f"COPY ({ordered}) TO {quoted(path)} {_OPTIONS}").fetchone()
    rows = int(written[0]) if written is not None else 0
    if not rows:
        path.unlink()
        return None
    keep_safe(path)
    keep_safe(path.parent)
    return LakeFile(name, day, rows, path.stat().st_size, sealed)
