"""What handlers are given: the runtime, and who is asking."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header, Path, Query
from starlette.requests import Request

from core.accounts.api_keys import find_key_holder, key_lives
from core.accounts.domain import Account, KeyHolder, SessionView
from core.accounts.plans import check_automation
from core.accounts.queries import find_session
from core.execution.domain import Starter
from core.platform.idempotency import Once
from core.privacy.policies.use import note_policy_use
from core.shared.errors import Forbidden, InvalidInput
from web.api.measured import ACCOUNT
from web.sessions import bearer_token, cookie_token

if TYPE_CHECKING:
    from core.platform.runtime import Runtime
else:
    Runtime = Any

MAX_PAGE = 100


# What only looks at the request is a coroutine: FastAPI sends plain functions to a thread, one after the other.
async def current_runtime(request: Request) -> Runtime:
    """The runtime that the API was built with."""
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(current_runtime)]


async def current_token(request: Request, runtime: RuntimeDep) -> str | None:
    """The token a request brings.

    The cookie counts for reading only: what changes something needs the `Authorization` header, which no
    other site can make a browser send. So there is nothing to forge.
    """
    bearer = bearer_token(request.headers)
    if bearer is not None or "authorization" in request.headers:
        return bearer
    return cookie_token(runtime, request.headers) if request.method in ("GET", "HEAD") else None


def current_session(
    request: Request, runtime: RuntimeDep, token: Annotated[str | None, Depends(current_token)]
) -> SessionView:
    """The live session of a request. Raises Forbidden UNAUTHENTICATED (401)."""
    session = find_session(runtime, token)
    if session is None:
        raise Forbidden("UNAUTHENTICATED", "Send a valid token: Authorization: Bearer <token>.")
    request.scope["state"][ACCOUNT] = session.account.id
    note_policy_use(runtime, session.account.id)
    return session


async def current_account(session: Annotated[SessionView, Depends(current_session)]) -> Account:
    """Who is asking."""
    return session.account


KEY_HEADER = "x-api-key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and whether they still may: streams go on for longer than a sign-in or a key may last."""

    account: Account
    is_live: Callable[[], bool]
    starter: Starter | None = None
    """The API key, where the caller is one: what it starts counts for its cap."""


def allowed(scope: str) -> Callable[..., Caller]:
    """A dependency: a session, or an API key with this scope. Raises Forbidden (401, or 403 SCOPE)."""

    def current_caller(
        request: Request, runtime: RuntimeDep, token: Annotated[str | None, Depends(current_token)]
    ) -> Caller:
        key = request.headers.get(KEY_HEADER)
        if key is None:
            account = current_session(request, runtime, token).account
            return Caller(account, lambda: find_session(runtime, token) is not None)
        holder = key_holder(runtime, key, scope)
        request.scope["state"][ACCOUNT] = holder.account.id
        return Caller(holder.account, lambda: key_lives(runtime, key), starter_of(holder))

    current_caller.scope = scope  # type: ignore[attr-defined]  # the description of the API names it
    return current_caller


def key_holder(runtime: Runtime, key: str, scope: str) -> KeyHolder:
    """Whom a key with a scope speaks for. Raises Forbidden (401, or 403 SCOPE, PLAN_LIMIT or ACCOUNT_SUSPENDED)."""
    holder = find_key_holder(runtime, key)
    if holder is None:
        raise Forbidden("UNAUTHENTICATED", "This API key does not exist, or is over. Make one under API keys.")
    check_automation(holder.account.plan)
    if scope not in holder.scopes:
        raise Forbidden("SCOPE", f"This API key may not do that: it needs the scope {scope}.", scope=scope)
    note_policy_use(runtime, holder.account.id)
    return holder


def starter_of(holder: KeyHolder) -> Starter:
    """A key as what starts a run."""
    return Starter("api_key", holder.key_id)


_reading, _writing, _executing = (allowed(f"pipelines:{act}") for act in ("read", "write", "execute"))


async def _reader(caller: Annotated[Caller, Depends(_reading)]) -> Account:
    return caller.account


async def _writer(caller: Annotated[Caller, Depends(_writing)]) -> Account:
    return caller.account


async def _executor(caller: Annotated[Caller, Depends(_executing)]) -> Account:
    return caller.account


async def _starter(caller: Annotated[Caller, Depends(_executing)]) -> Starter | None:
    return caller.starter


async def _writing_key(caller: Annotated[Caller, Depends(_writing)]) -> str | None:
    return caller.starter.id if caller.starter else None


async def _executing_key(caller: Annotated[Caller, Depends(_executing)]) -> str | None:
    return caller.starter.id if caller.starter else None


StarterDep = Annotated[Starter | None, Depends(_starter)]
ReaderDep = Annotated[Account, Depends(_reader)]
WriterDep = Annotated[Account, Depends(_writer)]
ExecutorDep = Annotated[Account, Depends(_executor)]
WritingKeyDep = Annotated[str | None, Depends(_writing_key)]
ExecutingKeyDep = Annotated[str | None, Depends(_executing_key)]
ReadingCallerDep = Annotated[Caller, Depends(_reading)]
TokenDep = Annotated[str | None, Depends(current_token)]
SessionDep = Annotated[SessionView, Depends(current_session)]
AccountDep = Annotated[Account, Depends(current_account)]
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
LimitQuery = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many at most.")]
CursorQuery = Annotated[
    str | None,
    Query(max_length=500, pattern=r"^[\x21-\x7e]+$", description="`next_cursor` of the page before."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same request sent again under the same key within 24 hours makes nothing new.",
    ),
]


async def current_once(request: Request, key: IdempotencyKey = None) -> Once | None:
    """The request as one that is carried out once, where its client sends a key."""
    if key is None:
        return None
    place = json.dumps(request.path_params, sort_keys=True).encode()
    return Once(f"{request.method} {request.scope['route'].path}", key, place + await request.body())


OnceDep = Annotated[Once | None, Depends(current_once)]


def only(fields: Mapping[str, Any], *allowed: str) -> None:
    """Refuse fields that would do nothing."""
    unknown = sorted(set(fields) - set(allowed))
    if unknown:
        details = [{"path": name, "code": "UNKNOWN_FIELD", "message": "There is no such field."} for name in unknown]
        raise InvalidInput("INVALID_REQUEST", f"There is no field {unknown[0]!r} here.", details=details)
