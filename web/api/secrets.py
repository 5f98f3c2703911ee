"""`user/secrets` and `pipelines/{id}/secrets`: names and times; a value goes in and never comes out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from core.accounts.commands import delete_secret, set_secret
from core.accounts.domain import SecretView
from core.accounts.queries import list_secrets
from core.pipelines.queries import get_pipeline
from core.shared.clock import iso_z
from web.api.account_payloads import SecretItem, SecretRequest
from web.api.context import AccountDep, CursorQuery, IdPath, LimitQuery, OnceDep, RuntimeDep
from web.api.shapes import Listing, answers, problems
from web.api.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["secrets"])
NamePath = Annotated[str, Path(max_length=100, description="The name that steps use in `{{env.NAME}}`.")]
KEEPING = (400, 401, 403, 409, 413, 422)


@router.get("/user/secrets", response_model=None, responses=answers(200, Listing[SecretItem], 401, 422))
def list_user_secrets(
    account: AccountDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Your secrets for all pipelines, by name, without their values."""
    return _page(list_secrets(runtime, account.id), limit, cursor)


@router.post("/user/secrets", status_code=201, response_model=None, responses=answers(201, SecretItem, *KEEPING))
def set_user_secret(account: AccountDep, runtime: RuntimeDep, body: SecretRequest, once: OnceDep) -> dict[str, Any]:
    """Keep a secret for all your pipelines. One of the same name is replaced, which is answered with 201 as well.

    Sending the same again changes nothing but `updated_at`. The value is never shown again.
    """
    return _item(set_secret(runtime, account.id, body.name, body.value, once=once))


@router.delete("/user/secrets/{name}", status_code=204, response_class=Response, responses=problems(401, 404, 422))
def delete_user_secret(name: NamePath, account: AccountDep, runtime: RuntimeDep) -> Response:
    """Forget a secret. Runs that need it are refused from now on."""
    delete_secret(runtime, account.id, name)
    return Response(status_code=204)


@router.get(
    "/pipelines/{pipeline_id}/secrets",
    response_model=None,
    responses=answers(200, Listing[SecretItem], 401, 404, 422),
)
def list_pipeline_secrets(
    pipeline_id: IdPath, account: AccountDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """The secrets of one pipeline alone, by name, without their values; those for all pipelines are not repeated."""
    scope = get_pipeline(runtime, account.id, pipeline_id).id
    return _page(list_secrets(runtime, account.id, pipeline_id=scope), limit, cursor)


@router.post(
    "/pipelines/{pipeline_id}/secrets",
    status_code=201,
    response_model=None,
    responses=answers(201, SecretItem, *KEEPING, 404),
)
def set_pipeline_secret(
    pipeline_id: IdPath, account: AccountDep, runtime: RuntimeDep, body: SecretRequest, once: OnceDep
) -> dict[str, Any]:
    """Keep a secret for one pipeline, where it comes before one of the same name for all. Replaces, with 201 too."""
    scope = get_pipeline(runtime, account.id, pipeline_id).id
    return _item(set_secret(runtime, account.id, body.name, body.value, pipeline_id=scope, once=once))


@router.delete(
    "/pipelines/{pipeline_id}/secrets/{name}",
    status_code=204,
    response_class=Response,
    responses=problems(401, 404, 422),
)
def delete_pipeline_secret(pipeline_id: IdPath, name: NamePath, account: AccountDep, runtime: RuntimeDep) -> Response:
    """Forget a secret of one pipeline. One of the same name for all pipelines is used from now on."""
    scope = get_pipeline(runtime, account.id, pipeline_id).id
    delete_secret(runtime, account.id, name, pipeline_id=scope)
    return Response(status_code=204)


def _page(secrets: tuple[SecretView, ...], limit: int, cursor: str | None) -> dict[str, Any]:
    after = [view for view in secrets if cursor is None or view.name > cursor]
    shown = after[:limit]
    return {
        "items": [_item(view) for view in shown],
        "next_cursor": shown[-1].name if len(after) > limit else None,
    }


def _item(view: SecretView) -> dict[str, Any]:
    return {
        "name": view.name,
        "pipeline_id": view.pipeline_id,
        "created_at": iso_z(view.created_at),
        "updated_at": iso_z(view.updated_at),
        "last_used_at": iso_z(view.last_used_at) if view.last_used_at else None,
    }
