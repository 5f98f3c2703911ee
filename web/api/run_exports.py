"""`runs/export`: all runs that fit some filters in one answer, a page of them in memory at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from core.execution import queries
from core.execution.domain import RunSummary
from core.shared.csv_cells import csv_cell
from core.shared.errors import NotFound
from web.api.context import ReadingCallerDep, RuntimeDep
from web.api.moments import Moment
from web.api.payloads import RunItem
from web.api.runs import REFUSED, RunStatus, run_item
from web.api.shapes import ID, problems

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

router = APIRouter(tags=["runs"])
PAGE = 100
TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
COLUMNS = tuple(RunItem.model_fields)
# Runs are paged by id, which follows the time they were asked for as closely as this.
SLACK = timedelta(minutes=1)
FOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A file: CSV with a line of names and a line a run, or NDJSON with a whole run a line.",
        "content": {kind: {"schema": {"type": "string"}} for kind in TYPES.values()},
    }
}


@router.get("/runs/export", response_class=StreamingResponse, responses=FOUND | problems(*REFUSED))
def export_runs(
    caller: ReadingCallerDep,
    runtime: RuntimeDep,
    format: Annotated[
        Literal["csv", "ndjson"], Query(description="`csv`: what the list says; `ndjson`: whole runs with their steps.")
    ],
    pipeline_id: Annotated[str | None, Query(pattern=ID)] = None,
    status: RunStatus | None = None,
    since: Annotated[Moment | None, Query(description="Only runs that were asked for from then on.")] = None,
    text: Annotated[str | None, Query(max_length=200, description="What the name of their pipeline holds.")] = None,
) -> StreamingResponse:
    """Your runs as a file, newest first: all that fit."""
    owner_id = caller.account.id

    def pages() -> Iterator[tuple[RunSummary, ...]]:
        cursor: str | None = None
        while caller.is_live():
            page = queries.list_runs(
                runtime, owner_id, pipeline_id=pipeline_id, status=status, text=text, limit=PAGE, cursor=cursor
            )
            yield tuple(run for run in page.items if since is None or run.created_at >= since)
            cursor = page.next_cursor
            if cursor is None or (since is not None and page.items[-1].created_at < since - SLACK):
                return

    lines = csv_lines(pages()) if format == "csv" else ndjson_lines(runtime, owner_id, pages())
    name = f"stepiq-runs-{runtime.clock.now():%Y-%m-%d}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type=TYPES[format], headers=headers)


def csv_lines(pages: Iterator[tuple[RunSummary, ...]]) -> Iterator[str]:
    """The runs as CSV (RFC 4180), a text a page; no cell is a formula."""
    yield ",".join(COLUMNS) + "\r\n"
    for page in pages:
        text = StringIO()
        rows = csv.writer(text)
        for run in page:
            item = run_item(run)
            rows.writerow([csv_cell(item[name]) for name in COLUMNS])
        yield text.getvalue()


def ndjson_lines(runtime: Runtime, owner_id: str, pages: Iterator[tuple[RunSummary, ...]]) -> Iterator[str]:
    """The runs as JSON, one whole run a line."""
    for page in pages:
        for run in page:
            try:
                whole = queries.run_as_dict(queries.get_run(runtime, owner_id, run.id))
            except NotFound:  # deleted since its page was read
                continue
            yield json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n"
