"""An answer as a table with types, and as a file: CSV for spreadsheets, Parquet for programs."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from core.analytics.console.domain import Cell, Column, Found

if TYPE_CHECKING:
    import pyarrow

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(found: Found) -> str:
    """The rows as CSV. Text that a spreadsheet would carry out as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_harmless(column.name) for column in found.columns])
    writer.writerows([_harmless(_flat(value)) for value in row] for row in found.rows)
    return out.getvalue()


def as_parquet(found: Found) -> bytes:
    """The rows as Parquet."""
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(as_arrow(found), sink, compression="zstd")
    return sink.getvalue()


def as_arrow(found: Found) -> "pyarrow.Table":
    """The rows as a table: numbers, truth values, days and times with their types, all else as text."""
    import pyarrow

    made = {}
    for at, column in enumerate(found.columns):
        kind, read = _typed(pyarrow, column)
        values = [row[at] for row in found.rows]
        try:
            made[column.name] = pyarrow.array([None if value is None else read(value) for value in values], kind)
        except (ValueError, TypeError, OverflowError, pyarrow.ArrowInvalid):  # more than the type holds
            made[column.name] = pyarrow.array([None if value is None else str(_flat(value)) for value in values])
    return pyarrow.table(made)


def is_number(column: Column) -> bool:
    """Whether a column holds numbers."""
    return column.type.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or _whole(column)


def is_time(column: Column) -> bool:
    """Whether a column holds days or moments."""
    return column.type == "DATE" or column.type.startswith("TIMESTAMP")


def _whole(column: Column) -> bool:
    return column.type.lstrip("U") in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def _typed(pyarrow: Any, column: Column) -> tuple[Any, Callable[[Any], Any]]:
    if column.type == "BOOLEAN":
        return pyarrow.bool_(), bool
    if _whole(column) and "HUGEINT" not in column.type:
        return (pyarrow.uint64() if column.type == "UBIGINT" else pyarrow.int64()), int
    if is_number(column):
        return pyarrow.float64(), float
    if column.type == "DATE":
        return pyarrow.date32(), date.fromisoformat
    if column.type.startswith("TIMESTAMP"):
        zone = "UTC" if "TIME ZONE" in column.type else None
        return pyarrow.timestamp("us", tz=zone), datetime.fromisoformat
    return pyarrow.string(), lambda value: str(_flat(value))


def _flat(value: Cell) -> Cell:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _harmless(value: Cell) -> Cell:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
