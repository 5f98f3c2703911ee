"""`privacy/requests/{id}/download`: the copy of one's data that a request made. It is fetched once."""

from __future__ import annotations

from re import fullmatch
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from core.privacy.export.fetching import fetch_copy
from web.api.context import IdPath, RuntimeDep, SessionDep
from web.api.shapes import Responses, file_answer

router = APIRouter(tags=["privacy"])
ZIP = "application/zip"
FROM = r"bytes=(\d{1,15})-"
_FILE: dict[str, Any] = {ZIP: {"schema": {"type": "string", "format": "binary"}}}
PART: Responses = {206: {"description": "What is left of the copy, from the byte asked for.", "content": _FILE}}


@router.get(
    "/privacy/requests/{request_id}/download",
    response_class=StreamingResponse,
    responses=file_answer(_FILE, 401, 403, 404, 422) | PART,
)
def download_copy(
    request_id: IdPath,
    session: SessionDep,
    runtime: RuntimeDep,
    range_: Annotated[
        str | None,
        Header(alias="Range", max_length=100, description="`bytes=N-` goes on from where an earlier download broke."),
    ] = None,
) -> StreamingResponse:
    """The copy of your data as a zip; only shortly after your password was entered, and only you.

    Once it went out whole it is deleted. One that broke on the way can be fetched again, for seven days.
    """
    asked = fullmatch(FROM, range_ or "")
    fetch = fetch_copy(runtime, session, request_id, start=int(asked[1]) if asked else 0)
    headers = {
        "Content-Disposition": f'attachment; filename="{fetch.name}"',
        "Content-Length": str(fetch.size - fetch.start),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
    }
    if asked:
        headers["Content-Range"] = f"bytes {fetch.start}-{fetch.size - 1}/{fetch.size}"
    return StreamingResponse(fetch.pieces, 206 if asked else 200, headers, media_type=ZIP)
