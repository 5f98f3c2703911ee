"""`user/egress`: what left of a person's, to whom and with which kinds of personal data; and what becomes of those."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from core.accounts.domain import Account
from core.execution.egress_queries import EgressView, list_egress
from core.pipelines.personal_data import choose_screening, own_screenings, screening_of
from core.pipelines.queries import get_pipeline
from core.shared.clock import iso_z
from core.shared.csv_cells import csv_cell
from web.api.account_payloads import EgressItem, ScreeningAnswer, ScreeningChoice
from web.api.context import AccountDep, CursorQuery, IdPath, LimitQuery, ReaderDep, RuntimeDep, SessionDep
from web.api.moments import Day
from web.api.shapes import Listing, answers, file_answer
from web.api.strict_json import StrictJsonRoute

if TYPE_CHECKING:
    from core.platform.runtime import Runtime

router = APIRouter(route_class=StrictJsonRoute, tags=["account"])
A_PAGE = 500
COLUMNS = (
    "id", "at", "run_id", "pipeline_id", "step_id", "kind", "recipient", "region", "purpose", "funding",
    "categories", "masked", "size", "outcome",
)  # fmt: skip
Since = Annotated[Day | None, Query(alias="from", description="The first day (UTC).")]
Until = Annotated[Day | None, Query(alias="to", description="The last day (UTC).")]
OfPipeline = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Only what this pipeline sent.")]
OfRun = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Only what this run sent.")]


@router.get("/user/egress", response_model=None, responses=answers(200, Listing[EgressItem], 401, 422))
def user_egress(
    account: AccountDep,
    runtime: RuntimeDep,
    since: Since = None,
    until: Until = None,
    pipeline_id: OfPipeline = None,
    run_id: OfRun = None,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> dict[str, Any]:
    """What left, newest first: a line a call of a model, web request, agent's request and delivery.

    `recipient` is a provider or a host. `categories` are fideslang keys of personal data found in what was sent, null
    where nobody looked; `masked` those that were kept back behind placeholders. `outcome` is `begun` where a process
    died before it knew, `not_sent` where it was refused before it left. The demo model has no line: it stays inside.
    """
    page = list_egress(
        runtime,
        account.id,
        since=_midnight(since),
        until=_midnight(until, 1),
        pipeline_id=pipeline_id,
        run_id=run_id,
        limit=limit,
        cursor=cursor,
    )
    return {"items": [egress_json(view) for view in page.items], "next_cursor": page.next_cursor}


@router.get(
    "/user/egress/export", response_class=StreamingResponse,
    responses=file_answer({"text/csv": {"schema": {"type": "string"}}}, 401, 422),
)  # fmt: skip
def egress_export(
    account: AccountDep, runtime: RuntimeDep, since: Since = None, until: Until = None, pipeline_id: OfPipeline = None
) -> StreamingResponse:
    """The same as CSV, all of it."""
    name = f"stepiq-egress-{runtime.clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = _lines(runtime, account.id, _midnight(since), _midnight(until, 1), pipeline_id)
    return StreamingResponse(lines, media_type="text/csv", headers=headers)


@router.get(
    "/pipelines/{pipeline_id}/personal-data",
    response_model=None,
    responses=answers(200, ScreeningAnswer, 401, 403, 404, 422),
)
def personal_data(pipeline_id: IdPath, account: ReaderDep, runtime: RuntimeDep) -> dict[str, Any]:
    """What becomes of personal data in what the models of this pipeline are sent."""
    get_pipeline(runtime, account.id, pipeline_id)
    return _screening(runtime, account, pipeline_id)


@router.put(
    "/pipelines/{pipeline_id}/personal-data",
    response_model=None,
    responses=answers(200, ScreeningAnswer, 400, 401, 404, 413, 422),
)
def choose_personal_data(
    pipeline_id: IdPath, body: ScreeningChoice, session: SessionDep, runtime: RuntimeDep
) -> dict[str, Any]:
    """Choose for one pipeline, from its next run on. It is no part of the definition and makes no version.

    Only the person may: an API key that can write pipelines cannot take their protection away.
    """
    choose_screening(runtime, session.account.id, pipeline_id, body.mode)
    return _screening(runtime, session.account, pipeline_id)


def _screening(runtime: Runtime, account: Account, pipeline_id: str) -> dict[str, Any]:
    own = own_screenings(runtime, account.id, {pipeline_id}).get(pipeline_id)
    return {"mode": own, "holds": screening_of(runtime, account, pipeline_id)}


def egress_json(view: EgressView) -> dict[str, Any]:
    """A line as clients see it."""
    return {
        "id": view.id,
        "at": iso_z(view.at),
        "run_id": view.run_id,
        "pipeline_id": view.pipeline_id,
        "step_id": view.step_id,
        "kind": view.kind,
        "recipient": view.recipient,
        "region": view.region,
        "purpose": view.purpose,
        "funding": view.funding,
        "categories": None if view.categories is None else list(view.categories),
        "masked": list(view.masked),
        "size": view.size,
        "outcome": view.outcome,
    }


def _lines(
    runtime: Runtime, owner_id: str, since: datetime | None, until: datetime | None, pipeline_id: str | None
) -> Iterator[str]:
    yield _line(COLUMNS)
    cursor: str | None = None
    while True:
        page = list_egress(
            runtime, owner_id, since=since, until=until, pipeline_id=pipeline_id, limit=A_PAGE, cursor=cursor
        )
        for view in page.items:
            facts = egress_json(view)
            cells = (facts[name] for name in COLUMNS)
            yield _line([" ".join(cell) if isinstance(cell, list) else cell for cell in cells])
        cursor = page.next_cursor
        if cursor is None:
            return


def _line(cells: Any) -> str:
    out = StringIO()
    csv.writer(out).writerow([csv_cell(cell) for cell in cells])
    return out.getvalue()


def _midnight(day: date | None, later: int = 0) -> datetime | None:
    if day is None or (later and day == date.max):
        return None
    return datetime.combine(day + timedelta(days=later), time.min, UTC)
