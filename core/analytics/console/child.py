"""The process that answers one query: it opens the data, gives up what it could do harm with, and only then reads it.

It is killed from outside when its time is over. What it is given: on its command line, the folder of the data and the
limits; on its input, the query. What it writes: one byte when the query's time begins, then the answer as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from core.analytics.console.domain import NAME, READY
from core.platform.confined import confinement, duckdb_doors
from core.platform.confined.failure import Failure
from core.platform.confined.json_values import json_text

FETCHED_ROWS = 500
BEFORE_SECONDS = 0.3
"""So long before its process is killed DuckDB stops by itself, where it can."""
QUERIES = ("SELECT", "MULTI")
"""Types of statements that read. PIVOT is MULTI: it becomes several."""
ALLOWED = "SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SHOW, SUMMARIZE and EXPLAIN"
READ_ONLY = "attached in read-only mode"


def main(limits_json: str, parent: int) -> None:
    """Answer the query on standard input. The working folder is that of the data."""
    limits = json.loads(limits_json)
    out = _own_line()
    confinement.leave_the_network()
    connection = duckdb.connect(NAME, read_only=True, config={**duckdb_doors.CONFIG, "temp_directory": ""})
    folder = str(Path.cwd())
    confinement.leave_the_folder()
    duckdb_doors.warm(connection)
    connection.execute("SET errors_as_json = true")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SELECT 1").fetchall()
    confinement.give_up_privileges(parent)
    confinement.limit_use(limits["seconds"], limits["memory_mb"] + 128)
    by_itself = max(limits["seconds"] - BEFORE_SECONDS, BEFORE_SECONDS)
    duckdb_doors.shut(connection, memory_mb=limits["memory_mb"], seconds=by_itself)
    confinement.close_doors()
    query = sys.stdin.buffer.read().decode("utf-8", "replace")
    out.write(READY)
    out.flush()
    try:
        said = _answer(connection, query, limits)
    except Failure as failure:
        said = _told(failure.reason, failure.message)
    except duckdb.Error as error:
        said = _failed(error, query)
    except MemoryError:
        said = _told("memory")
    except Exception:  # a statement that the library itself does not know
        said = _told("refused", f"The console only reads: {ALLOWED}.")
    out.write(said.replace(folder, "…").encode("utf-8", "replace"))
    out.flush()
    os._exit(0)


def _own_line() -> BinaryIO:
    """The line to who asked, under a number of its own: libraries show their progress on standard output."""
    line = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    return os.fdopen(line, "wb")


def _answer(connection: duckdb.DuckDBPyConnection, query: str, limits: dict[str, Any]) -> str:
    statements = connection.extract_statements(query)
    if not statements:
        raise Failure("failed", "There is no query: write one that begins with SELECT.")
    if len(statements) > 1:
        raise Failure("refused", f"One query at a time, and these are {len(statements)}.")
    kind = statements[0].type.name
    if kind == "EXPLAIN":
        _check_explained(connection, query)
    elif kind not in QUERIES:
        raise Failure("refused", f"The console only reads: {ALLOWED}. This is {kind}.")
    cursor = connection.execute(statements[0])
    if cursor.description is None:
        raise Failure("refused", f"The console only reads: {ALLOWED}.")
    names = duckdb_doors.distinct([str(column[0]) for column in cursor.description])
    types = [str(column[1]) for column in cursor.description]
    rows, size, cut, batch = list[str](), 0, "", 1
    while not cut and (fetched := cursor.fetchmany(batch)):
        for row in fetched:
            if len(rows) == limits["most_rows"]:
                cut = "rows"
                break
            if any(isinstance(value, str | bytes) and len(value) > limits["most_bytes"] for value in row):
                cut = "bytes"
                break
            text = json_text(row)
            size += len(text.encode("utf-8", "replace")) + 1
            if size > limits["most_bytes"]:
                cut = "bytes"
                break
            rows.append(text)
        batch = min(2 * batch, FETCHED_ROWS)
    if cut and not rows:
        raise Failure("too_large")
    columns = json.dumps([[name, kind] for name, kind in zip(names, types, strict=True)], ensure_ascii=False)
    return f'{{"columns": {columns}, "rows": [{",".join(rows)}], "cut": "{cut}"}}'


def _check_explained(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Only what may be asked may be explained: EXPLAIN ANALYZE carries out what it explains."""
    plain = query.encode("utf-8", "replace")
    places = [start for start, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment]
    words = [plain[start:].decode("utf-8", "replace") for start in places]
    at = 1
    if words[at].startswith("("):
        at = next((n for n, word in enumerate(words) if word.startswith(")")), len(words) - 1) + 1
    elif words[at][:7].upper() == "ANALYZE":
        at += 1
    inner = connection.extract_statements(words[at]) if at < len(words) else []
    if [statement.type.name for statement in inner] != ["SELECT"]:
        raise Failure("refused", "Only a query that reads can be explained.")


def _failed(error: duckdb.Error, query: str) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return _told("memory")
    if isinstance(error, duckdb.InterruptException):
        return _told("timeout")
    kind, _, rest = str(error).partition(": ")
    message, place = rest or kind, None
    try:
        found = json.loads(rest)
        message, place = str(found["exception_message"]), found.get("position")
    except (ValueError, KeyError, TypeError):
        pass  # an error without a place: its text says all there is
    reason = "refused" if isinstance(error, duckdb.PermissionException) or READ_ONLY in message else "failed"
    line = column = None
    if isinstance(place, str) and place.isdecimal():
        before = query.encode("utf-8", "replace")[: int(place)].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return _told(reason, message, line, column)


def _told(reason: str, message: str = "", line: int | None = None, column: int | None = None) -> str:
    return json.dumps({"reason": reason, "message": message[:1_000], "line": line, "column": column})
