"""`pipelines/*`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from core.accounts.domain import Account
from core.execution.notebook import quote_pipeline
from core.pipelines import commands, queries
from core.pipelines.domain import PipelineSummary, PipelineView, VersionView
from core.pipelines.errors import invalid_definition, issue_dict
from core.shared.clock import iso_z
from core.shared.errors import InvalidInput
from core.shared.money import credits_number
from web.api.context import (
    CursorQuery,
    IdPath,
    LimitQuery,
    OnceDep,
    ReaderDep,
    RuntimeDep,
    WriterDep,
    WritingKeyDep,
    only,
)
from web.api.examples import PIPELINE
from web.api.payloads import (
    Estimate,
    EstimateRequest,
    PipelineAnswer,
    PipelineItem,
    Validation,
    VersionAnswer,
    VersionItem,
)
from web.api.shapes import Listing, answers, file_answer, problems
from web.api.strict_json import StrictJsonRoute, read_json, read_text

router = APIRouter(route_class=StrictJsonRoute, tags=["pipelines"])
REFUSED = (401, 403, 404, 422)
SAVING = (*REFUSED, 400, 413)
VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1)]
FORMAT: dict[str, Any] = {
    "title": "Definition",
    "type": "object",
    "required": ["name", "steps"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "description": {"type": ["string", "null"], "maxLength": 2000},
        "steps": {"type": "array", "minItems": 1, "maxItems": 50, "items": {"type": "object"}},
    },
    "description": "A pipeline; the JSON Schema of the whole format is at `schema/pipeline.json`.",
}

TEXT = {"type": "string", "description": "The definition as YAML or JSON."}


def _definition_body(schema: dict[str, Any], *, required: bool = True, **wrapped: Any) -> dict[str, Any]:
    """The description of a body with a definition, bare or not, in JSON or YAML."""
    bare = {"bare definition": {"value": PIPELINE}}
    more = {name: {"value": value} for name, value in wrapped.items()}
    content = {
        "application/json": {"schema": schema, "examples": bare | more},
        "application/yaml": {"schema": schema, "examples": bare},
    }
    return {"requestBody": {"required": required, "content": content}}


def _facts(*required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {"type": ["string", "null"], "description": "1 to 200 characters; else that of the definition."},
            "description": {"type": ["string", "null"]},
            "tags": {"type": ["array", "null"], "items": {"type": "string"}},
            "definition": {"anyOf": [FORMAT, TEXT] if required else [FORMAT, TEXT, {"type": "null"}]},
        },
        "required": list(required),
    }


NEW_BODY = _definition_body(
    {"anyOf": [FORMAT, _facts("definition")]},
    named={"name": "Summary", "description": "Says it in fewer words.", "tags": ["texts"], "definition": PIPELINE},
)
CHANGE_BODY = _definition_body({"anyOf": [FORMAT, _facts()]}, facts={"name": "Summaries", "tags": ["texts", "daily"]})
CHECKED_BODY = _definition_body(
    {"description": "A definition. Whatever else it is, the answer says what is wrong."}, required=False
)


@dataclass(frozen=True, slots=True)
class Submission:
    """A body with a definition. `text` is there when the body is the bare definition."""

    source: str | dict[str, Any] | None
    text: str | None = None
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None


async def read_submission(request: Request) -> Submission:
    """Read {name, description?, tags?, definition} or the bare definition, as JSON or YAML.

    A body that is said to be JSON, or begins like it, must be JSON; anything else is YAML, whatever its name.
    """
    body = await request.body()
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    looks_json = body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and "yaml" not in kind
    if kind != "application/json" and not kind.endswith("+json") and not looks_json:
        text = read_text(body)
        return Submission(text, text)
    value = read_json(body)
    if not isinstance(value, dict):
        text = read_text(body)
        return Submission(text, text)
    if "definition" not in value and "steps" in value:
        return Submission(value, read_text(body))
    only(value, "name", "description", "tags", "definition")
    return Submission(
        source=_field(value, "definition", str, dict),
        name=_field(value, "name", str),
        description=_field(value, "description", str),
        tags=_field(value, "tags", list),
    )


SubmissionDep = Annotated[Submission, Depends(read_submission)]


@router.get(
    "/pipelines",
    response_model=None,
    responses=answers(200, Listing[PipelineItem], 401),
)
def list_pipelines(
    account: ReaderDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Your pipelines, newest first."""
    page = queries.list_pipelines(runtime, account.id, limit, cursor)
    return {"items": [_about(item) for item in page.items], "next_cursor": page.next_cursor}


@router.post(
    "/pipelines",
    status_code=201,
    response_model=None,
    responses=answers(201, PipelineAnswer, *SAVING, 409),
    openapi_extra=NEW_BODY,
)
def create_pipeline(
    account: WriterDep, key: WritingKeyDep, runtime: RuntimeDep, submission: SubmissionDep, once: OnceDep
) -> dict[str, Any]:
    """Make a pipeline of a definition: bare (YAML or JSON), or in {name, description?, tags?, definition}."""
    if submission.source is None:
        raise _missing("definition")
    _check_places(runtime, account, submission)
    view = commands.create_pipeline(
        runtime,
        account,
        submission.source,
        name=submission.name,
        description=submission.description,
        tags=submission.tags,
        once=once,
        key_id=key,
    )
    return _whole(view)


@router.post(
    "/pipelines/validate",
    response_model=None,
    responses=answers(200, Validation, 400, 401, 413, 422),
    openapi_extra=CHECKED_BODY,
)
def validate_pipeline(account: ReaderDep, runtime: RuntimeDep, submission: SubmissionDep) -> dict[str, Any]:
    """Check a bare definition: everything that is wrong at once, each with its place."""
    source = submission.text if submission.text is not None else submission.source
    if source is None:
        raise _missing("definition")
    checked = commands.validate_source(runtime, account, source)
    return {
        "valid": not checked.errors,
        "errors": [issue_dict(issue) for issue in checked.errors],
        "warnings": [issue_dict(issue) for issue in checked.warnings],
    }


@router.get("/pipelines/{pipeline_id}", response_model=None, responses=answers(200, PipelineAnswer, *REFUSED))
def get_pipeline(pipeline_id: IdPath, account: ReaderDep, runtime: RuntimeDep) -> dict[str, Any]:
    """A pipeline with its newest version."""
    return _whole(queries.get_pipeline(runtime, account.id, pipeline_id))


@router.put(
    "/pipelines/{pipeline_id}",
    response_model=None,
    responses=answers(200, PipelineAnswer, *SAVING),
    openapi_extra=CHANGE_BODY,
)
def update_pipeline(
    pipeline_id: IdPath, account: WriterDep, key: WritingKeyDep, runtime: RuntimeDep, submission: SubmissionDep
) -> dict[str, Any]:
    """Change any of name, description, tags and definition. Every change makes a version.

    An API key with a cap changes no `schedule` that may spend more than the key: 403 `KEY_CAP`.
    """
    queries.get_pipeline(runtime, account.id, pipeline_id)
    _check_places(runtime, account, submission)
    view = commands.update_pipeline(
        runtime,
        account,
        pipeline_id,
        source=submission.source,
        name=submission.name,
        description=submission.description,
        tags=submission.tags,
        key_id=key,
    )
    return _whole(view)


@router.delete("/pipelines/{pipeline_id}", status_code=204, response_class=Response, responses=problems(*REFUSED))
def archive_pipeline(pipeline_id: IdPath, account: WriterDep, runtime: RuntimeDep) -> Response:
    """Archive a pipeline; its runs stay. `restore` brings it back."""
    commands.archive_pipeline(runtime, account.id, pipeline_id)
    return Response(status_code=204)


@router.post(
    "/pipelines/{pipeline_id}/restore",
    response_model=None,
    responses=answers(200, PipelineAnswer, *REFUSED),
)
def restore_pipeline(
    pipeline_id: IdPath, account: WriterDep, key: WritingKeyDep, runtime: RuntimeDep
) -> dict[str, Any]:
    """Bring an archived pipeline back, and its schedules with it."""
    return _whole(commands.unarchive_pipeline(runtime, account, pipeline_id, key_id=key))


@router.get(
    "/pipelines/{pipeline_id}/versions",
    response_model=None,
    responses=answers(200, Listing[VersionItem], *REFUSED),
)
def list_versions(
    pipeline_id: IdPath,
    account: ReaderDep,
    runtime: RuntimeDep,
    limit: LimitQuery = 50,
    cursor: CursorQuery = None,
) -> dict[str, Any]:
    """Saved versions, newest first."""
    before = _version_cursor(cursor)
    versions = [
        v for v in queries.list_versions(runtime, account.id, pipeline_id) if before is None or v.number < before
    ]
    shown = versions[:limit]
    items = [{"pipeline_id": pipeline_id, "version": v.number, "created_at": iso_z(v.created_at)} for v in shown]
    return {"items": items, "next_cursor": str(shown[-1].number) if len(versions) > limit else None}


@router.get(
    "/pipelines/{pipeline_id}/versions/{number}",
    response_model=None,
    responses=answers(200, VersionAnswer, *REFUSED),
)
def get_version(pipeline_id: IdPath, number: VersionPath, account: ReaderDep, runtime: RuntimeDep) -> dict[str, Any]:
    """One saved version."""
    return _version(pipeline_id, queries.get_version(runtime, account.id, pipeline_id, number))


@router.get(
    "/pipelines/{pipeline_id}/export",
    response_class=Response,
    responses=file_answer({"application/yaml": {"schema": FORMAT, "example": PIPELINE}}, *REFUSED),
)
def export_pipeline(pipeline_id: IdPath, account: ReaderDep, runtime: RuntimeDep) -> Response:
    """The newest version as a YAML file, as it was written."""
    view = queries.get_pipeline(runtime, account.id, pipeline_id)
    headers = {"Content-Disposition": f'attachment; filename="pipeline-{view.id}-v{view.version}.yaml"'}
    return Response(view.text, media_type="application/yaml", headers=headers)


@router.post("/pipelines/{pipeline_id}/estimate", response_model=None, responses=answers(200, Estimate, *REFUSED))
def estimate(
    pipeline_id: IdPath, account: ReaderDep, runtime: RuntimeDep, body: EstimateRequest | None = None
) -> dict[str, Any]:
    """Credits a run would cost: low, likely and at most, in all and for each step."""
    quote = quote_pipeline(runtime, account, pipeline_id, body.input_data if body else {})
    steps = {step_id: _span(*span) for step_id, span in quote.steps.items()}
    return _span(quote.low_micros, quote.likely_micros, quote.max_micros) | {"steps": steps}


def _check_places(runtime: Any, account: Account, submission: Submission) -> None:
    # Only text has lines and columns, so a definition sent as JSON is checked as the text it came in.
    if submission.text is not None:
        checked = commands.validate_source(runtime, account, submission.text)
        if checked.errors:
            raise invalid_definition(checked.errors)


def _span(low: int, likely: int, most: int) -> dict[str, Any]:
    return {"low": credits_number(low), "likely": credits_number(likely), "max": credits_number(most)}


def _about(view: PipelineView | PipelineSummary) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "description": view.description,
        "version": view.version,
        "status": view.status,
        "tags": list(view.tags),
        "created_at": iso_z(view.created_at),
        "updated_at": iso_z(view.updated_at),
    }


def _whole(view: PipelineView) -> dict[str, Any]:
    return _about(view) | {"definition": view.definition}


def _version(pipeline_id: str, view: VersionView) -> dict[str, Any]:
    return {
        "pipeline_id": pipeline_id,
        "version": view.number,
        "definition": view.definition,
        "created_at": iso_z(view.created_at),
    }


def _field(fields: dict[str, Any], name: str, *kinds: type) -> Any:
    value = fields.get(name)
    if value is not None and not isinstance(value, kinds):
        raise _wrong(name, "This field has another type.")
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise _wrong(name, "This is a list of texts.")
    return value


def _missing(name: str) -> InvalidInput:
    return _wrong(name, "This field is needed: the definition as an object, or as YAML text.")


def _wrong(name: str, message: str) -> InvalidInput:
    details = [{"path": name, "code": "INVALID_FIELD", "message": message}]
    return InvalidInput("INVALID_REQUEST", f"{name}: {message}", details=details)


def _version_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise _wrong("cursor", "Send the `next_cursor` of the page before.")
    return int(cursor)
