"""`auth/*`: making an account, signing in, renewing and ending a sign-in, a forgotten password."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from core.accounts.authentication import sign_in
from core.accounts.passwords import forget_password, reset_password
from core.accounts.registration import register, request_code
from core.accounts.sessions import renew, sign_out, sign_out_everywhere
from core.privacy.policies.queries import versions_in_force
from web.api.account_payloads import (
    Accepted,
    AddressRequest,
    CodeSent,
    Credentials,
    PasswordReset,
    Registration,
    SignedInUser,
    Token,
)
from web.api.accounts import user_json
from web.api.context import AccountDep, RuntimeDep, SessionDep, TokenDep
from web.api.shapes import answers, problems
from web.api.strict_json import StrictJsonRoute
from web.languages import preferred_language
from web.sessions import client_host

router = APIRouter(route_class=StrictJsonRoute, tags=["account"])


@router.post(
    "/auth/register/request-code", response_model=None, responses=answers(200, CodeSent, 400, 403, 413, 422, 429)
)
def send_code(request: Request, body: AddressRequest, runtime: RuntimeDep) -> dict[str, Any]:
    """Mail a code of six digits that proves an address; one a minute. A known address gets the same answer."""
    seconds = request_code(
        runtime, email=body.email, language=preferred_language(request.headers), client_host=client_host(request)
    )
    return {"sent": True, "expires_in_seconds": seconds}


@router.post(
    "/auth/register",
    status_code=201,
    response_model=None,
    responses=answers(201, SignedInUser, 400, 403, 413, 422, 429),
)
def sign_up(request: Request, body: Registration, runtime: RuntimeDep) -> dict[str, Any]:
    """Make an account with the mailed code, and with an invitation where this installation asks for one.

    The terms of use and the privacy policy that count at that moment are noted with it: show them before.
    """
    signed_in = register(
        runtime,
        email=body.email,
        password=body.password,
        code=body.code,
        name=body.name,
        invitation=body.invitation,
        language=preferred_language(request.headers),
        device=request.headers.get("user-agent", ""),
        client_host=client_host(request),
        policies=versions_in_force(runtime),
    )
    return {"user": user_json(signed_in.account), "token": signed_in.token}


@router.post("/auth/login", response_model=None, responses=answers(200, SignedInUser, 400, 401, 413, 422, 429))
def login(request: Request, body: Credentials, runtime: RuntimeDep) -> dict[str, Any]:
    """Open a session; its token goes into `Authorization: Bearer` and dies with `auth/logout`.

    With the second factor on, `code` is that of the authenticator app, or a recovery code.
    """
    device = request.headers.get("user-agent", "")
    host = client_host(request)
    signed_in = sign_in(
        runtime, email=body.email, password=body.password, device=device, client_host=host, code=body.code
    )
    return {"user": user_json(signed_in.account), "token": signed_in.token}


@router.post("/auth/refresh", response_model=None, responses=answers(200, Token, 401))
def refresh(session: SessionDep, runtime: RuntimeDep) -> dict[str, Any]:
    """A new token for the session of this one, which lives 14 days from now; at most 90 days after its sign-in."""
    return {"token": renew(runtime, session).token}


@router.post("/auth/logout", status_code=204, response_class=Response, responses=problems(401))
def logout(session: SessionDep, token: TokenDep, runtime: RuntimeDep) -> Response:
    """End the session of the token."""
    sign_out(runtime, token)
    return Response(status_code=204)


@router.post("/auth/logout-everywhere", status_code=204, response_class=Response, responses=problems(401))
def logout_everywhere(account: AccountDep, runtime: RuntimeDep) -> Response:
    """End every session of yours, this one too."""
    sign_out_everywhere(runtime, account.id)
    return Response(status_code=204)


@router.post(
    "/auth/forgot-password", status_code=202, response_model=None, responses=answers(202, Accepted, 400, 413, 422, 429)
)
def forgot_password(request: Request, body: AddressRequest, runtime: RuntimeDep) -> dict[str, Any]:
    """Mail a link that sets a new password. The answer does not tell whether there is such an account."""
    forget_password(runtime, email=body.email, client_host=client_host(request))
    return {"accepted": True}


@router.post(
    "/auth/reset-password", status_code=204, response_class=Response, responses=problems(400, 403, 404, 413, 422)
)
def set_new_password(body: PasswordReset, runtime: RuntimeDep) -> Response:
    """Set a new password with the token of the mailed link, which works once. Every session ends."""
    reset_password(runtime, token=body.token, password=body.password)
    return Response(status_code=204)
