"""What `code` and `sql` steps call: the source, what it sees, its limits; and the value it made."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.execution.sandbox.exchange import Value, call_worker
from core.execution.sandbox.limits import CODE_LIMITS, SQL_LIMITS, Limits
from core.execution.sandbox.wire import FileKind, Language, Problem
from core.shared.errors import InvalidInput
from core.shared.types import JsonValue

NAMES = ("input", "vars", "steps")
MAX_DEPTH = 100
MAX_VALUES = 500_000
"""Single values in an output, as for every step."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file a query reads as a table: its content, or where that lies."""

    content: bytes | Path
    kind: FileKind


async def run_python(source: str, scope: Mapping[str, JsonValue], limits: Limits = CODE_LIMITS) -> JsonValue:
    """Run Python that sees `input`, `vars` and `steps["a"]["output"]`; the value of `output` after it.

    Dates come out as ISO 8601 texts, decimals as numbers, bytes as base64, NaN and infinities as null.
    `time.sleep` returns at once, what is printed is dropped, and of the standard library only what
    pydantic-monty has can be imported.

    Raises InvalidInput: CODE_FAILED (`line` in its context), CODE_TIMEOUT, CODE_MEMORY, OUTPUT_TOO_LARGE.
    """
    return await _run("python", source, scope, limits)


async def run_javascript(source: str, scope: Mapping[str, JsonValue], limits: Limits = CODE_LIMITS) -> JsonValue:
    """Run JavaScript that sees `input`, `vars` and `steps.a.output`; the value of `output` after it.

    What is promised is waited for; `output` is written as `JSON.stringify` does. Whole numbers beyond 2**53
    lose digits, as the language has it.

    Raises InvalidInput as `run_python`.
    """
    return await _run("javascript", source, scope, limits)


async def run_sql(
    query: str,
    tables: Mapping[str, JsonValue],
    files: Mapping[str, InputFile] | None = None,
    limits: Limits = SQL_LIMITS,
) -> list[dict[str, JsonValue]]:
    """The rows of one query (DuckDB's dialect) over values and files, each a table of its name.

    A list of objects is a row each, a list of other values a column `value`, an object one row, another
    value one row of a column `value`, null an empty table; see `worker/sql_tables.py` for types. Files are
    read by DuckDB's own readers, which also recognise dates. Only names that occur in the query are sent.

    Rows are as JSON: dates, times and intervals ISO 8601 texts (in UTC where they have a zone), decimals
    numbers (cast to VARCHAR to keep more than 15 digits), BLOB base64, NaN and infinities null. Of columns
    with one name the second is called `name_1`.

    Raises InvalidInput: SQL_FAILED (`line` in its context), SQL_TIMEOUT, SQL_MEMORY, OUTPUT_TOO_LARGE.
    """
    wanted = query.casefold().replace('""', '"')
    used_tables = {name: value for name, value in tables.items() if name.casefold() in wanted}
    used_files = {name: file for name, file in (files or {}).items() if name.casefold() in wanted}
    twice = {name.casefold() for name in used_tables} & {name.casefold() for name in used_files}
    if twice:
        name = sorted(twice)[0]
        raise InvalidInput("SQL_FAILED", f"`{name}` is the name of a step and of a file: rename one of them.")
    frames = [_json(used_tables), *[await _content(file) for file in used_files.values()]]
    kinds = [(name, file.kind) for name, file in used_files.items()]
    outcome = await call_worker("sql", query, frames, limits, kinds)
    if not isinstance(outcome, Value):
        raise _error("sql", outcome, limits)
    rows: Any = _read(outcome.text, "sql", limits)
    return [row for row in rows if isinstance(row, dict)]


async def _run(language: Language, source: str, scope: Mapping[str, JsonValue], limits: Limits) -> JsonValue:
    # Beside the three, the items of the `map` steps around it, by their names.
    names = (*NAMES, *(name for name in scope if name not in NAMES))
    frames = [_json({name: scope.get(name) for name in names})]
    outcome = await call_worker(language, source, frames, limits)
    if isinstance(outcome, Value):
        return _read(outcome.text, language, limits)
    raise _error(language, outcome, limits)


async def _content(file: InputFile) -> bytes:
    if isinstance(file.content, Path):
        return await asyncio.to_thread(file.content.read_bytes)
    return file.content


def _json(value: object) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def _finite(value: object) -> object:
    """The value with null for what JSON cannot write."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _read(text: bytes, language: Language, limits: Limits) -> JsonValue:
    """The value in a worker's reply: nothing is taken on trust but its length."""
    try:
        value: JsonValue = json.loads(text, parse_constant=lambda _: None)
        if b"\\ud" in text.lower():
            whole = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
            value = json.loads(whole.decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        unreadable = Problem(reason="failed", message="the output cannot be read as JSON", line=None)
        raise _error(language, unreadable, limits) from None
    reason = _excess(value)
    if reason is not None:
        raise _error(language, reason, limits)
    return value


def _excess(value: JsonValue) -> Problem | None:
    level: Sequence[JsonValue] = [value]
    count = 0
    for _ in range(MAX_DEPTH + 1):
        count += len(level)
        if count > MAX_VALUES:
            return Problem(reason="too_many", message="", line=None)
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return None
    return Problem(reason="failed", message=f"the output is nested more than {MAX_DEPTH} deep", line=None)


def _error(language: Language, problem: Problem, limits: Limits) -> InvalidInput:
    prefix, what = ("SQL", "query") if language == "sql" else ("CODE", "code")
    reason, line = problem["reason"], problem["line"]
    where = "" if line is None else f" in line {line}"
    if reason == "timeout":
        text = f"The {what} took longer than {limits.seconds:g} s and was ended{where and f' ({where[1:]})'}."
        return InvalidInput(f"{prefix}_TIMEOUT", f"{text} Let it do less, or raise `timeout_seconds`.", line=line)
    if reason == "memory":
        text = f"The {what} used more than {limits.memory_mb} MB of memory and was ended{where}."
        return InvalidInput(f"{prefix}_MEMORY", f"{text} Let it work on less at a time.", line=line)
    if reason == "too_large":
        text = f"The output is larger than {limits.output_bytes / 1e6:g} MB: return less."
        return InvalidInput("OUTPUT_TOO_LARGE", text)
    if reason == "too_many":
        return InvalidInput("OUTPUT_TOO_LARGE", f"The output has more than {MAX_VALUES:,} values: make it smaller.")
    message = problem["message"].strip() or "it gave no reason"
    end = "" if message.endswith((".", "!", "?")) else "."
    return InvalidInput(f"{prefix}_FAILED", f"The {what} failed{where}: {message}{end}", line=line)
