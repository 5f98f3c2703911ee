"""Rows out of CSV, JSON, JSON lines and Parquet, as dictionaries of JSON values.

A CSV's first line names its columns. A column whose every filled cell is a plain number, or `true` and
`false`, has that type, and its empty cells are null; all others stay the text they are: `007` keeps its zeros.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NoReturn, cast

from core.platform.files.errors import too_complex
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

MOST_COLUMNS = 1_000
MOST_VALUES = 3_000_000  # cells, or values of a JSON text: about 200 MB when they are all in memory
MOST_DECODED = 256 * 1024 * 1024  # bytes of a Parquet file's columns once they are unpacked
LONGEST_CELL = 131_072  # characters: what the csv module reads
DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS, SAMPLE_CHARACTERS = 100, 256 * 1024

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?")
_BOOLEAN = re.compile(r"(?i:true|false)")

Row = dict[str, JsonValue]


def sniff_delimiter(text: str, *, claimed: bool) -> str | None:
    """The character between the cells; None where the text is no table.

    A text that claims to be CSV may have one column; any other needs at least two rows of two cells, all alike.
    """
    sample = text[:SAMPLE_CHARACTERS]
    best, width = None, 1
    for delimiter in DELIMITERS:
        widths = _widths(sample, delimiter, whole=len(text) <= SAMPLE_CHARACTERS)
        if not widths or max(widths) < 2:
            continue
        alike = len(set(widths)) == 1 and len(widths) > 1
        if (alike or (claimed and widths[0] > 1)) and widths[0] > width:
            best, width = delimiter, widths[0]
    return best or ("," if claimed else None)


def _widths(sample: str, delimiter: str, *, whole: bool) -> list[int]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        widths = [len(row) for row in islice(reader, SAMPLE_ROWS) if row]
    except csv.Error:
        return []
    at_end = not whole and len(widths) < SAMPLE_ROWS
    return widths[:-1] if at_end else widths  # the sample cut the last one


def describe_csv(text: str, delimiter: str) -> dict[str, JsonValue]:
    """Columns, their types and the number of rows. Raises InvalidInput for a table that cannot be read."""
    rows = csv_rows_of(io.StringIO(text, newline=""), delimiter)
    header = column_names(next(rows, []))
    if len(header) > MOST_COLUMNS:
        raise _wrong(f"The table has {len(header):,} columns; {MOST_COLUMNS:,} are allowed.")
    kinds: list[str | None] = [None] * len(header)
    count = 0
    for count, row in enumerate(rows, 1):
        if len(row) > len(header):
            raise _wrong(f"Row {count} of the table has {len(row):,} cells, but there are {len(header):,} columns.")
        if count * len(header) > MOST_VALUES:
            raise too_complex()
        for index, cell in enumerate(row):
            if cell and kinds[index] != "text":
                kinds[index] = _narrowed(kinds[index], cell)
    types: list[JsonValue] = [kind or "text" for kind in kinds]
    return {"delimiter": delimiter, "columns": cast(list[JsonValue], header), "types": types, "rows": count}


def csv_rows_of(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The rows of a CSV that hold anything. Raises InvalidInput with the line."""
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            said = f"a cell holds more than {LONGEST_CELL:,} characters, or its quotes do not close"
            raise _wrong(f"Line {reader.line_num} of the table cannot be read: {said}.") from None
        if row is None:
            return
        if row:
            yield row


def read_csv(lines: Iterable[str], facts: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of a CSV under the facts that `describe_csv` found."""
    rows = csv_rows_of(lines, facts["delimiter"])
    next(rows, None)
    columns: Sequence[tuple[str, str]] = list(zip(facts["columns"], facts["types"], strict=True))
    for row in rows:
        row += [""] * (len(columns) - len(row))
        yield {name: _typed(cell, kind) for (name, kind), cell in zip(columns, row, strict=True)}


def column_names(header: Sequence[str]) -> list[str]:
    """Names of columns: trimmed, none empty, none twice."""
    names: list[str] = []
    taken: set[str] = set()
    for number, given in enumerate(header, 1):
        name = base = " ".join(given.split()) or f"column_{number}"
        again = 2
        while name in taken:
            name, again = f"{base}_{again}", again + 1
        taken.add(name)
        names.append(name)
    return names


def _narrowed(kind: str | None, cell: str) -> str:
    if kind in (None, "integer") and _INTEGER.fullmatch(cell):
        return "integer"
    if kind in (None, "integer", "number") and _NUMBER.fullmatch(cell):
        return "number"
    if kind in (None, "boolean") and _BOOLEAN.fullmatch(cell):
        return "boolean"
    return "text"


def _typed(cell: str, kind: str) -> JsonValue:
    if kind == "text":
        return cell
    if not cell:
        return None
    if kind == "boolean":
        return cell.lower() == "true"
    return int(cell) if kind == "integer" else float(cell)


def read_json(text: str) -> JsonValue:
    """Parse one JSON value. Raises ValueError (json.JSONDecodeError where it has a place)."""
    if sum(text.count(sign) for sign in "[{,") > MOST_VALUES:
        raise too_complex()
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    return cast(JsonValue, value)


def read_json_lines(lines: Iterable[str]) -> Iterator[JsonValue]:
    """Parse a JSON value a line; blank lines are passed over. Raises InvalidInput with the line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield read_json(line)
            except ValueError as error:
                raise _wrong(f"Line {number} is not JSON: {reason_of(error)}.") from None


def reason_of(error: ValueError) -> str:
    """Why JSON did not parse, without a piece of it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "a character in it is no text" if isinstance(error, UnicodeError) else str(error)[:200]


def json_rows(value: JsonValue) -> Iterator[Row]:
    """A list as its items, anything else as one; what is no object stands under `value`."""
    for item in value if isinstance(value, list) else [value]:
        yield item if isinstance(item, dict) else {"value": item}


def open_parquet(content: bytes) -> Any:
    """A Parquet file (pyarrow.parquet.ParquetFile). Raises anything for a damaged one."""
    import pyarrow as arrow  # a fifth of a second and 50 MB: only where there is such a file
    import pyarrow.parquet as parquet

    return parquet.ParquetFile(arrow.BufferReader(content))


def describe_parquet(content: bytes) -> dict[str, JsonValue]:
    """Columns and number of rows, after reading it all once. Raises InvalidInput, anything for a damaged one."""
    file = open_parquet(content)
    metadata, names = file.metadata, column_names(file.schema_arrow.names)
    groups = range(metadata.num_row_groups)
    decoded = sum(metadata.row_group(index).total_byte_size for index in groups)
    if len(names) > MOST_COLUMNS:
        raise _wrong(f"The table has {len(names):,} columns; {MOST_COLUMNS:,} are allowed.")
    if metadata.num_rows * len(names) > MOST_VALUES or decoded > MOST_DECODED:
        raise too_complex()
    count = size = 0
    for row in read_parquet(content):  # the numbers above are the file's own claim
        count, size = count + 1, size + len(json.dumps(row))
        if count * len(names) > MOST_VALUES or size > MOST_DECODED:
            raise too_complex()
    return {"columns": cast(list[JsonValue], names), "rows": count}


def read_parquet(content: bytes) -> Iterator[Row]:
    """The rows of a Parquet file; dates and times in ISO 8601, decimals as numbers, bytes as text."""
    file = open_parquet(content)
    names = column_names(file.schema_arrow.names)
    for batch in file.iter_batches(batch_size=1_000, use_threads=False):
        columns = [batch.column(index).to_pylist() for index in range(batch.num_columns)]
        for row in zip(*columns, strict=True):
            yield {name: _json_of(value) for name, value in zip(names, row, strict=True)}


def _json_of(value: Any) -> JsonValue:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.decode("utf-8", "replace")
        case dict():
            return {str(key): _json_of(item) for key, item in value.items()}
        case list() | tuple():
            return [_json_of(item) for item in value]
    return str(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _wrong(said: str) -> InvalidInput:
    return InvalidInput("FILE_INVALID", said, field="file")
