"""The session cookie: reading, setting, clearing. P12: HttpOnly, SameSite=Lax, Secure on https."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser
from starlette.responses import Response

from core.accounts.domain import SESSION_LIFE, cookie_name

if TYPE_CHECKING:
    from core.platform.runtime import Runtime


def client_host(request: HTTPConnection) -> str | None:
    """The network address a request comes from: the one a trusted proxy names, else the peer's."""
    return request.client.host if request.client else None


def cookie_token(runtime: Runtime, headers: Headers) -> str | None:
    """The token in the session cookie of a request, valid or not."""
    cookies = cookie_parser("; ".join(headers.getlist("cookie")))
    return cookies.get(cookie_name(https=runtime.settings.is_https)) or None


def bearer_token(headers: Headers) -> str | None:
    """The token in the `Authorization` header, valid or not."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def set_session_cookie(runtime: Runtime, response: Response, token: str) -> None:
    """Keep a session in the browser for as long as it can live."""
    https = runtime.settings.is_https
    response.set_cookie(
        cookie_name(https=https),
        token,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(runtime: Runtime, response: Response) -> None:
    """Take the session out of the browser."""
    https = runtime.settings.is_https
    response.delete_cookie(cookie_name(https=https), path="/", secure=https, httponly=True, samesite="lax")
