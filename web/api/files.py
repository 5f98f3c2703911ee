"""`files`: what people bring for their pipelines to work on. Each belongs to one person and is nobody else's."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from core.platform.files import queries
from core.platform.files.commands import delete_file
from core.platform.files.domain import ACCEPTED, FileView
from core.platform.idempotency import Once
from core.shared.clock import iso_z
from web.api.context import CursorQuery, ExecutorDep, IdempotencyKey, IdPath, LimitQuery, ReaderDep, RuntimeDep
from web.api.payloads import FileAnswer
from web.api.shapes import Listing, answers, file_answer, problems
from web.api.uploads import FIELD, MULTIPART, receive_file

router = APIRouter(prefix="/files", tags=["files"])

_BINARY = {"type": "string", "format": "binary"}
EXAMPLE = "article,pieces\npencil,12\nruler,3\n"
# As its content is, whatever was said of it; HTML goes out as plain text.
SERVED: dict[str, Any] = {
    "application/json": {},
    **{
        kind: {"schema": _BINARY}
        for kind in (
            "text/*",
            "image/*",
            "application/x-ndjson",
            "application/pdf",
            "application/vnd.apache.parquet",
        )
    },
}
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "description": f"The file as the part `{FIELD}`, or bare, with its name in `X-File-Name` (percent-encoded). "
        f"Its content decides what it is. Accepted are {ACCEPTED}.",
        "content": {
            MULTIPART: {
                "schema": {"type": "object", "properties": {FIELD: _BINARY}, "required": [FIELD]},
                "example": {FIELD: EXAMPLE},
            },
            "application/octet-stream": {"schema": _BINARY, "example": EXAMPLE},
        },
    }
}


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses=answers(201, FileAnswer, 400, 401, 403, 408, 409, 413, 415, 422),
    openapi_extra=UPLOAD_BODY,
)
async def upload_file(
    request: Request, account: ExecutorDep, runtime: RuntimeDep, key: IdempotencyKey = None
) -> dict[str, Any]:
    """Store a file, encrypted. Give its `id` to a run as the value of an input that is a file.

    It is kept as long as the runs that use it.
    """
    # What was sent is told by the content: the body arrives in pieces, and its boundary is another each time.
    once = Once("POST /files", key, b"") if key is not None else None
    return file_json(await receive_file(request, runtime, account.id, request.app.state.judging, once))


@router.get("", response_model=None, responses=answers(200, Listing[FileAnswer], 401, 422))
def list_files(
    account: ReaderDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Your files, newest first."""
    page = queries.list_files(runtime, account.id, limit=limit, cursor=cursor)
    return {"items": [file_json(file) for file in page.items], "next_cursor": page.next_cursor}


@router.get(
    "/{file_id}",
    response_class=StreamingResponse,
    responses=file_answer(SERVED, 401, 404, 422),
)
def download_file(file_id: IdPath, account: ReaderDep, runtime: RuntimeDep) -> StreamingResponse:
    """The content as it was uploaded, to be saved."""
    file = queries.get_file(runtime, account.id, file_id)
    content = queries.stored_content(runtime, account.id, file.id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Length": str(file.size),
    }
    return StreamingResponse(content, media_type=_download_type(file), headers=headers)


@router.delete("/{file_id}", status_code=204, response_class=Response, responses=problems(401, 404, 422))
def remove_file(file_id: IdPath, account: ExecutorDep, runtime: RuntimeDep) -> Response:
    """Delete a file at once; runs that still need it fail."""
    delete_file(runtime, account.id, file_id)
    return Response(status_code=204)


def file_json(file: FileView) -> dict[str, Any]:
    """A file as clients see one."""
    return {
        "id": file.id,
        "name": file.name,
        "kind": file.kind,
        "media_type": file.media_type,
        "size": file.size,
        "created_at": iso_z(file.created_at),
    }


def _download_type(file: FileView) -> str:
    # A page of somebody's is never served as a page of ours, not even to be saved.
    media_type = "text/plain" if file.media_type == "text/html" else file.media_type
    if not media_type.startswith("text/"):
        return media_type
    encoding = str(file.facts["encoding"]).removesuffix("-sig")
    return f"{media_type}; charset={'windows-1252' if encoding == 'cp1252' else encoding}"
