"""SQL by DuckDB, in a database in memory that can reach nothing once its tables are filled.

Tables are filled from files without a name, then the database is shut off (`duckdb_doors`), and only then the
query is read.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from typing import Any

import duckdb

from core.execution.sandbox.wire import FileKind, Request
from core.execution.sandbox.worker.sql_tables import quoted, table_of
from core.platform.confined import confinement, duckdb_doors
from core.platform.confined.failure import Failure
from core.platform.confined.json_values import json_text

FETCHED_ROWS = 512
LARGEST_ROW = 1 << 28
READERS: dict[FileKind, str] = {"csv": "read_csv", "parquet": "read_parquet", "json": "read_json_auto"}
QUERIES = {"SELECT", "MULTI"}
"""Types of statements. PIVOT is MULTI: it becomes several."""
PLACE = re.compile(r"\n\s*\nLINE (\d+):.*", re.DOTALL)


class SqlRunner:
    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._connection = _DATABASE

    def get_ready(self) -> None:
        confinement.give_up_privileges(self._parent)

    def run(self, request: Request, frames: list[bytes]) -> bytes:
        confinement.limit_use(request["seconds"], request["memory_mb"] + 128)
        try:
            self._fill(request, frames)
            duckdb_doors.shut(self._connection, memory_mb=request["memory_mb"], seconds=request["seconds"])
            confinement.close_doors()
            return self._answer(request["source"], request["output_bytes"])
        except duckdb.Error as error:
            raise _failure(error) from None

    def _fill(self, request: Request, frames: list[bytes]) -> None:
        for name, value in json.loads(frames.pop(0)).items():
            table = table_of(value)
            reader = f"read_json(?, format = 'newline_delimited', columns = ?, maximum_object_size = {LARGEST_ROW})"
            self._create(name, reader, table.lines(), [table.columns])
        for name, kind in request["files"]:
            try:
                self._create(name, f"{READERS[kind]}(?)", [frames.pop(0)], [])
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                raise Failure("failed", f"the file `{name}` cannot be read as {kind}: {_message(error)}") from None

    def _create(self, name: str, reader: str, lines: Iterable[bytes], parameters: list[Any]) -> None:
        with _unnamed_file() as file:
            file.writelines(lines)
            file.flush()
            values = [f"/dev/fd/{file.fileno()}", *parameters]
            self._connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM {reader}", values)  # noqa: S608

    def _answer(self, query: str, output_bytes: int) -> bytes:
        statements = self._connection.extract_statements(query)
        if len(statements) != 1:
            raise Failure("failed", f"a query is one statement, and this has {len(statements)}")
        kind = statements[0].type.name
        if kind not in QUERIES:
            raise Failure("failed", f"a query reads (SELECT, FROM, WITH, PIVOT, DESCRIBE), and this is {kind}")
        cursor = self._connection.execute(statements[0])
        if cursor.description is None:
            raise Failure("failed", "the query returns no rows")
        names = duckdb_doors.distinct([str(column[0]) for column in cursor.description])
        json_columns = [at for at, column in enumerate(cursor.description) if str(column[1]) == "JSON"]
        parts: list[str] = []
        size, batch = 2, 1
        while rows := cursor.fetchmany(batch):
            if any(isinstance(value, str) and len(value) > output_bytes for row in rows for value in row):
                raise Failure("too_large")
            for at in json_columns:
                rows = [(*row[:at], _from_json(row[at]), *row[at + 1 :]) for row in rows]
            part = json_text([dict(zip(names, row, strict=True)) for row in rows])[1:-1]
            size += len(part.encode("utf-8", "replace")) + 1
            if size > output_bytes:
                raise Failure("too_large")
            parts.append(part)
            batch = min(2 * batch, FETCHED_ROWS)
        return f"[{','.join(parts)}]".encode("utf-8", "replace")


def make_runner(parent: int) -> SqlRunner:
    """The runner of this language."""
    return SqlRunner(parent)


def _empty_database() -> duckdb.DuckDBPyConnection:
    """A database without threads, so that a fork has a whole copy of it."""
    connection = duckdb.connect(":memory:", config=duckdb_doors.CONFIG)
    connection.execute("SET temp_directory = ''")
    duckdb_doors.warm(connection)
    return connection


_DATABASE = _empty_database()


def _unnamed_file() -> Any:
    """A file that has no name in any folder, and is gone when it is closed."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("table"), "w+b")
    return tempfile.TemporaryFile()


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _message(error: duckdb.Error) -> str:
    return " ".join(PLACE.sub("", str(error)).split())


def _failure(error: duckdb.Error) -> Failure:
    if isinstance(error, duckdb.OutOfMemoryException):
        return Failure("memory")
    if isinstance(error, duckdb.InterruptException):
        return Failure("timeout")
    place = PLACE.search(str(error))
    return Failure("failed", _message(error), int(place.group(1)) if place else None)
