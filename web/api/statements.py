"""`user/statement` as JSON that proves itself, as CSV or as PDF; `price-books/{version}`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response, StreamingResponse

from core.credits.statements import Line, Statement, all_lines, export_lines, statement
from core.pipelines.queries import pipeline_names
from core.shared.clock import iso_z
from core.shared.csv_cells import csv_cell
from core.shared.errors import InvalidInput
from core.shared.money import exact_credits
from web.api.account_payloads import PriceBookAnswer
from web.api.context import AccountDep, RuntimeDep
from web.api.moments import Day
from web.api.shapes import answers, file_answer
from web.api.statement_pdf import said_of, statement_pdf

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

router = APIRouter(tags=["account"])

TYPES = {"json": "application/json", "csv": "text/csv", "pdf": "application/pdf"}
PDF_LINES = 5_000
COLUMNS = (
    "number", "time", "kind", "what", "run_id", "step", "model", "input_tokens", "cached_tokens", "output_tokens",
    "price_version", "credits", "balance", "hash",
)  # fmt: skip
FILES: dict[str, Any] = {
    "application/json": {"schema": {"type": "object"}},
    "text/csv": {"schema": {"type": "string"}},
    "application/pdf": {"schema": {"type": "string", "format": "binary"}},
}


@router.get("/user/statement", response_class=Response, responses=file_answer(FILES, 401, 422))
def user_statement(
    account: AccountDep,
    runtime: RuntimeDep,
    format: Annotated[
        Literal["json", "csv", "pdf"],
        Query(description="`json` is what `stepiq ledger verify FILE` proves; `csv` is for a spreadsheet."),
    ] = "json",
    since: Annotated[
        Day | None, Query(alias="from", description="The first day (UTC); from the first movement where not given.")
    ] = None,
    until: Annotated[
        Day | None, Query(alias="to", description="The last day (UTC); up to now where not given.")
    ] = None,
) -> Response:
    """Your statement of credits as a file: with names of pipelines and ids of steps, and nothing that was said."""
    end = None if until is None or until == date.max else _midnight(until + timedelta(days=1))
    found = statement(runtime, account, None if since is None else _midnight(since), end)
    name = f"stepiq-statement-{runtime.clock.now():%Y-%m-%d}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    if format == "pdf":
        lines = tuple(islice(all_lines(runtime, found.stretch), PDF_LINES + 1))
        if len(lines) > PDF_LINES:
            raise InvalidInput(
                "STATEMENT_TOO_LONG", f"This is more than {PDF_LINES:,} lines. Choose a shorter time, or take the CSV."
            )
        names = names_of(runtime, account.id, lines)
        return Response(statement_pdf(account, found, lines, names), media_type=TYPES["pdf"], headers=headers)
    texts = export_lines(runtime, account.id, found.stretch) if format == "json" else csv_lines(runtime, found)
    return StreamingResponse(texts, media_type=TYPES[format], headers=headers)


@router.get("/price-books/{version}", response_model=None, responses=answers(200, PriceBookAnswer, 404, 422))
def price_book(
    version: Annotated[
        str, Path(pattern=r"^[0-9a-z.-]{1,40}$", description="`price_version` of a charge, or `current`.")
    ],
    runtime: RuntimeDep,
) -> dict[str, Any]:
    """The prices of a version: vendors' US dollars for a million tokens, the markup, and what a credit is worth.

    The part of a version behind the dot is the beginning of the SHA-256 of `content`.
    """
    books = runtime.prices
    book = books.current(runtime) if version == "current" else books.find(runtime, version)
    content = books.content(runtime, book.version)
    return {"version": book.version, "taken_at": iso_z(book.taken_at), "content": content, **json.loads(content)}


def csv_lines(runtime: Runtime, found: Statement) -> Iterator[str]:
    """The statement as CSV (RFC 4180): the opening balance, a line a movement, the closing balance."""
    yield ",".join(COLUMNS) + "\r\n"
    yield _csv_row({"kind": "opening", "balance": _number(found.opening_micros)})
    lines = all_lines(runtime, found.stretch)
    while page := tuple(islice(lines, 500)):
        names = names_of(runtime, found.stretch.owner_id, page)
        yield "".join(_csv_row(_cells(line, names)) for line in page)
    yield _csv_row({"kind": "closing", "balance": _number(found.closing_micros), "hash": found.head.hex()})


def names_of(runtime: Runtime, owner_id: str, lines: tuple[Line, ...]) -> dict[str, str]:
    """The names of the pipelines that some lines are about."""
    return pipeline_names(runtime, owner_id, {line.pipeline_id for line in lines if line.pipeline_id})


def _cells(line: Line, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "number": line.number,
        "time": iso_z(line.at),
        "kind": line.kind,
        "what": said_of(line, names),
        "run_id": line.run_id,
        "step": line.step,
        "model": line.model,
        "input_tokens": line.input_tokens,
        "cached_tokens": line.cached_tokens,
        "output_tokens": line.output_tokens,
        "price_version": line.price_version,
        "credits": _number(line.micros),
        "balance": _number(line.balance_micros),
        "hash": line.hash.hex(),
    }


def _csv_row(cells: Mapping[str, Any]) -> str:
    text = StringIO()
    csv.writer(text).writerow([_cell(name, cells.get(name)) for name in COLUMNS])
    return text.getvalue()


def _cell(name: str, value: Any) -> Any:
    # A number below zero begins like a formula, and is none.
    return value if name in ("credits", "balance") else csv_cell(value)


def _number(micros: int) -> str:
    return exact_credits(micros).replace(",", "")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
