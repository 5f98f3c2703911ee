"""`user/api-keys`: keys for programs. Made and ended by a signed-in person, never by a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from core.accounts import api_keys
from core.accounts.automation import cap_micros, set_key_cap
from core.accounts.domain import ApiKeyView
from core.execution.caps import taken_this_month
from core.shared.clock import iso_z
from core.shared.errors import NotFound
from core.shared.money import credits_number
from web.api.account_payloads import ApiKeyChange, ApiKeyItem, ApiKeyRequest, NewApiKeyAnswer
from web.api.context import AccountDep, CursorQuery, IdPath, LimitQuery, OnceDep, RuntimeDep
from web.api.shapes import Listing, answers, problems, shown_cap
from web.api.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["API keys"])


@router.get("/user/api-keys", response_model=None, responses=answers(200, Listing[ApiKeyItem], 401, 422))
def list_api_keys(
    account: AccountDep, runtime: RuntimeDep, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> dict[str, Any]:
    """Your keys, newest first, by their first characters."""
    taken = taken_this_month(runtime, account.id)
    after = [key for key in api_keys.list_api_keys(runtime, account.id) if cursor is None or key.id < cursor]
    shown = after[:limit]
    return {"items": [_item(key, taken) for key in shown], "next_cursor": shown[-1].id if len(after) > limit else None}


@router.post(
    "/user/api-keys",
    status_code=201,
    response_model=None,
    responses=answers(201, NewApiKeyAnswer, 400, 401, 403, 404, 409, 413, 422),
)
def create_api_key(account: AccountDep, runtime: RuntimeDep, body: ApiKeyRequest, once: OnceDep) -> dict[str, Any]:
    """Make a key. `key` is shown this once: keep it where programs find their secrets."""
    made = api_keys.create_api_key(
        runtime,
        account,
        body.name,
        body.scopes,
        expires_at=body.expires_at,
        max_micros_per_month=cap_micros(body.max_credits_per_month),
        once=once,
    )
    return {"key": made.key, **_item(made.view, {})}


@router.patch(
    "/user/api-keys/{key_id}", response_model=None, responses=answers(200, ApiKeyItem, 400, 401, 404, 413, 422)
)
def change_api_key(key_id: IdPath, account: AccountDep, runtime: RuntimeDep, body: ApiKeyChange) -> dict[str, Any]:
    """Set what a key may spend in a calendar month; null takes its cap away."""
    set_key_cap(runtime, account.id, key_id, cap_micros(body.max_credits_per_month))
    key = next((key for key in api_keys.list_api_keys(runtime, account.id) if key.id == key_id), None)
    if key is None:
        raise NotFound("KEY_NOT_FOUND", "There is no such key.")
    return _item(key, taken_this_month(runtime, account.id))


@router.delete("/user/api-keys/{key_id}", status_code=204, response_class=Response, responses=problems(401, 404, 422))
def delete_api_key(key_id: IdPath, account: AccountDep, runtime: RuntimeDep) -> Response:
    """End a key. The next request that brings it is refused."""
    api_keys.delete_api_key(runtime, account.id, key_id)
    return Response(status_code=204)


def _item(key: ApiKeyView, taken: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": iso_z(key.created_at),
        "expires_at": iso_z(key.expires_at) if key.expires_at else None,
        "last_used_at": iso_z(key.last_used_at) if key.last_used_at else None,
        "max_credits_per_month": shown_cap(key.max_micros_per_month),
        "credits_this_month": credits_number(taken.get(key.id, 0)),
    }
